"""Which tests `./gantry test` runs, and which only `./gantry test --long`."""

import pytest
from typer.testing import CliRunner

from ops.cli.options import app

WITH_BOTH_KINDS = "tests/properties/test_rotation.py"


def test_long_tests_run_by_their_option_and_no_others_do(capfd: pytest.CaptureFixture[str]) -> None:
    def collected(*options: str) -> set[str]:
        result = CliRunner().invoke(app, ["test", *options, "--collect-only", "-q", WITH_BOTH_KINDS])
        lines = capfd.readouterr().out.splitlines()
        assert result.exit_code == 0, lines
        return {line for line in lines if line.startswith(WITH_BOTH_KINDS)}

    everyday, long = collected(), collected("--long")
    assert {name.partition("[")[0] for name in everyday} == {name.partition("[")[0] for name in long}
    assert not everyday & long
