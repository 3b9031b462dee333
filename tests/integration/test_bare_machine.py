"""On a bare Debian, the first commands of README work, and the service does on the image's Python.

On Debian 12 root does so, too, below /root. Debian 13 takes its turn in every run of CI, and has
the Python of the service's image.
"""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CANNOT = 77


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("suite", "days"), [("bookworm", ("gantry", "cdk", "root")), ("trixie", ("image",))])
def test_days_on_a_bare_debian(suite: str, days: tuple[str, ...]) -> None:
    command = [str(ROOT / ".ci" / "bare-machine"), suite, *days]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == CANNOT:
        pytest.skip(result.stderr.strip())
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
