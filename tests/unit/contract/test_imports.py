"""Facts are imported by every side, and so import none of them; commands start without the CDK."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def modules(folder: str) -> list[str]:
    # What looks at an app, in folders of its own, needs the CDK.
    files = sorted((ROOT / folder).glob("*.py"))
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files
    ]


@pytest.mark.parametrize(
    ("folder", "without"),
    [
        ("contract", {"aws_cdk", "boto3", "gantry", "ops", "stacks"}),
        ("ops", {"aws_cdk", "gantry"}),
    ],
)
def test_modules_import_no_more_than_they_need(folder: str, without: set[str]) -> None:
    """In a process with the path of `./gantry`: the tests' own has every source root on it."""
    program = (
        f"import importlib, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"for name in {modules(folder)!r}: importlib.import_module(name)\n"
        f"print(*{without!r} & {{name.split('.')[0] for name in sys.modules}})"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False, cwd="/"
    )
    assert (result.stdout.strip(), result.stderr) == ("", "")
