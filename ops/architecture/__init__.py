"""`./gantry map`: a picture of the platform, drawn from its synthesised assembly."""

from collections.abc import Sequence
from pathlib import Path

from ops.architecture import drawing, model
from ops.assembly import synthesised
from ops.console import CliError, err, write
from ops.paths import ROOT

DEFAULT_OUTPUT = ROOT / "docs" / "images" / "architecture-map.svg"


def draw(environment: str, *, overrides: Sequence[str] = ()) -> str:
    """Return the SVG of an environment; the same templates give the same bytes.

    Raises
    ------
    CliError
        When the environment does not synthesise.
    """
    with synthesised(environment, overrides=overrides) as assembly:
        return drawing.render(model.of(assembly))


def run(environment: str, *, output: Path, check: bool, overrides: Sequence[str] = ()) -> None:
    """Write the picture, or with `check` only compare the file with what would be written.

    Raises
    ------
    CliError
        When the environment does not synthesise, the file cannot be written, or `check` finds it missing or
        stale.
    """
    svg = draw(environment, overrides=overrides)
    if check:
        require_current(output, svg, environment=environment)
        return
    write(output, svg)
    err.print(f"Drew {environment} into {_shown(output)}.")


def require_current(output: Path, svg: str, *, environment: str) -> None:
    """Compare a drawn file with what would be drawn now.

    Raises
    ------
    CliError
        When they differ or there is no file.
    """
    if not output.is_file():
        state = "missing"
    elif output.read_text(encoding="utf-8") != svg:
        state = "stale: the templates have changed since it was drawn"
    else:
        return
    raise CliError(
        f"{_shown(output)} is {state}.",
        remedy=f"Run `./gantry map -e {environment}` and commit the picture.",
    )


def _shown(path: Path) -> Path:
    resolved = path.resolve()
    return resolved.relative_to(ROOT) if resolved.is_relative_to(ROOT) else path
