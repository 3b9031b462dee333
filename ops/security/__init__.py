"""`./gantry check security`: an environment against four packs of cdk-nag, by pack and by control."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ops.assembly import synthesised
from ops.console import err, phase, write
from ops.security import page, report
from ops.security.assessment import Assessment, assess


def check(environment: str, *, overrides: Sequence[str] = ()) -> Assessment:
    """Synthesise an environment with all packs and assess it.

    Raises
    ------
    CliError
        When the environment does not synthesise or a pack cannot run.
    """
    with synthesised(environment, overrides=overrides, context={"nag:packs": "all"}) as assembly:
        return assess(assembly.directory, environment=environment)


def run(environment: str, *, html: Path | None, as_json: bool, overrides: Sequence[str] = ()) -> int:
    """Check an environment, print what came out and return the exit code: 1 when something failed.

    Raises
    ------
    CliError
        When the environment does not synthesise, a pack cannot run or the page cannot be written.
    """
    with phase(f"Check {environment}") as current:
        found = check(environment, overrides=overrides)
        current.result = f"{len(found.failed)} findings"
    if as_json:
        report.print_json(found)
    else:
        report.print_tables(found)
    if html is not None:
        write(html, page.render(found, at=datetime.now(UTC)))
        err.print(f"The report is in {html}.")
    return 1 if found.failed else 0
