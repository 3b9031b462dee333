"""Commands of `./gantry`; each imports what it needs when it runs, so that the others start fast."""

import io
import sys
import traceback
from contextlib import suppress

# The commands register in the order of the help.
# isort: off
from ops.cli import machine, deploy, operate, inspect, develop  # noqa: F401

# isort: on
from ops.cli.options import app
from ops.console import CliError, err, report
from ops.paths import LOG_DIR


def main() -> None:
    """Run the CLI; a failure that the operator can act on is one clear message, and so is a bug."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # the locale may not have every character
    try:
        app(prog_name="./gantry")
    except KeyboardInterrupt:
        err.print("Interrupted.")
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - every failure is reported in a sentence
        failure = _as_failure(error)
        report(failure)
        sys.exit(failure.exit_code)


def _as_failure(error: Exception) -> CliError:
    """Return the message for an error; what nothing foresaw is a bug, and its traceback is kept."""
    from botocore.exceptions import BotoCoreError, ClientError

    from ops.aws_errors import explain
    from stacks.settings import SettingsError

    if isinstance(error, CliError):
        return error
    if isinstance(error, BotoCoreError | ClientError):
        return explain(error)
    if isinstance(error, SettingsError):
        return CliError(str(error))
    trace = "".join(traceback.format_exception(error))
    with suppress(OSError):
        LOG_DIR.mkdir(parents=True, exist_ok=True)
        (LOG_DIR / "bug.log").write_text(trace, encoding="utf-8")
        trace = ""
    return CliError(
        f"This is a bug in Gantry: {type(error).__name__}: {error}",
        detail=trace,
        remedy="" if trace else f"The traceback is in {LOG_DIR / 'bug.log'}.",
    )
