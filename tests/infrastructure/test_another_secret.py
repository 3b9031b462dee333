"""Another secret that rotates takes an entry in the contract and a strategy; everything else follows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ENTRY = """
    WEBHOOK_KEY = (
        "webhook-key",
        Facts(
            layer="compute",
            description="signs what is posted to others",
            variable="WEBHOOK_KEY",
            schedule="cron(0 3 26 * ? *)",
            schedule_description="Of the webhooks' key.",
            module="signing_key",
            generated_field="current",
        ),
    )

    @property
    def word("""
STRATEGY = "    RotatingSecret.WEBHOOK_KEY: _signing_key,\n}"
# Synthesises a platform and prints what an operator may rotate.
PROGRAM = """
import json, sys
sys.path[:0] = [".", "constructs"]
from pathlib import Path
from aws_cdk import App
from ops.rotated_secrets import Rotatable
from rotation.wiring import _STRATEGIES
from stacks.platform import Platform
from stacks.settings import load_settings
context = json.loads(Path("cdk.json").read_text())["context"]
app = App(outdir="out", context=context, builtin_cloud_formation_validation=False)
settings = load_settings("prod", overrides={"rotation.webhook_key_schedule": "cron(0 4 26 * ? *)"})
Platform(app, settings=settings, build_dir=Path(sys.argv[1]))
app.synth()
print(*Rotatable, *_STRATEGIES)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the code to which someone has added a secret."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("config", "constructs", "contract", "lambdas", "ops", "service", "stacks"):
        left_out = shutil.ignore_patterns(".venv", "__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    for name in ("cdk.json", "package-lock.json", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    contract, wiring = folder / "contract" / "secrets.py", folder / "lambdas" / "rotation" / "wiring.py"
    contract.write_text(contract.read_text().replace("\n    @property\n    def word(", ENTRY, 1))
    before, _, after = wiring.read_text().rpartition("}")
    wiring.write_text(before + STRATEGY + after)
    return folder


def test_another_secret_takes_an_entry_and_a_strategy(checkout: Path) -> None:
    path = os.pathsep.join(["lambdas", "lambdas/shared"])
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / ".gantry" / "build")],
        cwd=checkout, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split().count("webhook-key") == 2  # what may be rotated, and how
    compute, security = (
        resources(checkout / "out" / f"{stack}.template.json") for stack in ("Compute", "Security")
    )
    (secret,) = (name for name in compute if name.startswith("WebhookKeySecret"))
    assert compute[secret]["Properties"]["Name"] == "gantry/prod/webhook-key"
    (definition,) = (each for each in compute.values() if each["Type"] == "AWS::ECS::TaskDefinition")
    given = {each["Name"] for each in definition["Properties"]["ContainerDefinitions"][0]["Secrets"]}
    assert given == {"DATABASE_SECRET", "VALKEY_SECRET", "SECRET_KEY_BASE", "WEBHOOK_KEY"}
    rotation = {name: each for name, each in security.items() if name.startswith("WebhookKeyRotation")}
    (function,) = (each for each in rotation.values() if each["Type"] == "AWS::Lambda::Function")
    variables = function["Properties"]["Environment"]["Variables"]
    assert {"STRATEGY", "SECRET_ARN", "SESSION_LIFETIME_SECONDS"} <= set(variables)
    (schedule,) = (
        each for each in rotation.values() if each["Type"] == "AWS::SecretsManager::RotationSchedule"
    )
    assert schedule["Properties"]["RotationRules"]["ScheduleExpression"] == "cron(0 4 26 * ? *)"
    alarms = {
        each["Properties"]["AlarmName"]
        for each in rotation.values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }
    names = ("overdue", "failed", "previous-credential-active", "dead-letters")
    assert alarms == {f"gantry-prod-rotation-webhook-key-{name}" for name in names}


def resources(template: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(template.read_text())["Resources"]
    return document
