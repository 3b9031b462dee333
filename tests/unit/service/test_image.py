"""What the container image is made of."""

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[3]
SERVICE = ROOT / "service"
INSTRUCTIONS = [
    (step["instruction"], step["value"]) for step in DockerfileParser(str(SERVICE / "Dockerfile")).structure
]
LAST_STAGE = INSTRUCTIONS[max(index for index, step in enumerate(INSTRUCTIONS) if step[0] == "FROM") :]


def test_base_images_are_pinned_exactly_and_the_same() -> None:
    bases = [value.split()[0] for instruction, value in INSTRUCTIONS if instruction == "FROM"]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases[0])


def test_image_runs_the_service_without_a_shell_and_without_root() -> None:
    last = dict(LAST_STAGE)
    assert json.loads(last["CMD"]) == ["python", "-m", "taskboard"]
    user, _, group = last["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_image_declares_as_volumes_what_every_environment_makes_writable() -> None:
    declared = json.loads(dict(LAST_STAGE)["VOLUME"])
    # In the base image everyone may write there: no step of the last stage has to say so.
    assert declared == ["/tmp"]
    environments = [tomllib.loads(file.read_text()) for file in (ROOT / "config").glob("*.toml")]
    assert {tuple(each["ecs"]["writable_paths"]) for each in environments if "ecs" in each} == {("/tmp",)}


def test_image_has_no_build_step_in_its_last_stage() -> None:
    assert {instruction for instruction, _ in LAST_STAGE} <= {
        "FROM", "WORKDIR", "COPY", "ENV", "VOLUME", "USER", "EXPOSE", "CMD", "COMMENT"
    }  # fmt: skip


def test_every_dependency_is_pinned_with_hashes() -> None:
    text = re.sub(r"\\\n", " ", (SERVICE / "requirements.txt").read_text())
    pins = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert pins
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)


def test_certificate_bundles_of_service_and_functions_are_the_same() -> None:
    copies = [
        SERVICE / "certs" / "rds-global-bundle.pem",
        ROOT / "lambdas" / "shared" / "gantry_runtime" / "rds-global-bundle.pem",
    ]
    assert copies[0].read_bytes() == copies[1].read_bytes()


def test_certificate_bundle_holds_roots_in_force_alone() -> None:
    bundle = (SERVICE / "certs" / "rds-global-bundle.pem").read_bytes()
    roots = x509.load_pem_x509_certificates(bundle)
    names = {root.subject.rfc4514_string() for root in roots}
    assert len(names) == len(roots)
    assert any("Amazon RDS us-east-1 Root CA RSA2048 G1" in name for name in names)
    for root in roots:
        root.verify_directly_issued_by(root)
        assert root.not_valid_after_utc > datetime.now(UTC)
