"""Environments in the sandbox, whose account is 000000000000.

What works on an account does not import this: there the packages of the sandbox need not be installed.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3

from ops.console import CliError
from ops.paths import SANDBOX_DIR
from stacks.settings import Settings

try:
    from sandbox.clients import session as client_session
    from sandbox.lifecycle import Sandbox, SandboxError
    from sandbox.ports import HOST
    from sandbox.problems import Problem
except ModuleNotFoundError as error:
    remedy = "Install and start it with `./gantry up`."
    raise CliError("The sandbox is not installed.", remedy=remedy) from error


def session(region: str) -> tuple[boto3.Session, str]:
    """Return a session of the embedded AWS and its endpoint's URL.

    Raises
    ------
    CliError
        When the sandbox does not run.
    """
    sandbox = Sandbox(SANDBOX_DIR)
    if not sandbox.status().running:
        raise CliError(
            "\n".join(map(str, problems())) or "The sandbox is not running.",
            remedy="Start it with `./gantry up`.",
        )
    variables = sandbox.environment() | {"AWS_REGION": region}
    return client_session(variables), variables["AWS_ENDPOINT_URL"]


def problems() -> Sequence[Problem]:
    """Return what of the sandbox does not run."""
    return Sandbox(SANDBOX_DIR).problems()


def variables(settings: Settings, *, command: str, offline: bool) -> dict[str, str]:
    """Return the process environment with which the CDK CLI works on the embedded AWS.

    Parameters
    ----------
    settings
        Those of the environment.
    command
        The CLI's command.
    offline
        Whether it works on the assembly alone; any other needs a sandbox that runs, which is bootstrapped.

    Raises
    ------
    CliError
        When the sandbox does not run or cannot be bootstrapped.
    """
    sandbox = Sandbox(SANDBOX_DIR)
    if not offline and not sandbox.status().running:
        raise CliError(
            f"`cdk {command}` needs the embedded AWS of the sandbox, which is not running.",
            remedy="Start it with `./gantry up`, or choose another environment with `-c environment=prod`.",
        )
    if not offline:
        try:
            sandbox.bootstrap(settings.region, settings.recovery.region)
        except SandboxError as error:
            raise CliError(str(error)) from error
    return (
        _without_aws(os.environ)
        | sandbox.environment()
        | {"AWS_REGION": settings.region, "AWS_DEFAULT_REGION": settings.region}
    )


def _without_aws(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables without those for AWS; pip keeps its proxy, which it may need to build functions."""
    kept = {name: value for name, value in variables.items() if not name.upper().startswith("AWS_")}
    direct = ",".join(filter(None, (kept.get("NO_PROXY"), kept.get("no_proxy"), HOST, "localhost")))
    return kept | {"NO_PROXY": direct, "no_proxy": direct}


def overrides(settings: Settings, *, sandbox: Settings) -> dict[str, str]:
    """Return the settings that cannot be an environment's own in the sandbox.

    Parameters
    ----------
    settings
        Those of the environment.
    sandbox
        Those of the sandbox itself.
    """
    replaced = {
        key: value.replace(settings.account, sandbox.account)
        for key, value in _flat(settings.model_dump())
        if isinstance(value, str) and settings.account in value
    }
    # There is no container engine: the sandbox runs the folder service/ as its image.
    return replaced | {"container_image": str(sandbox.container_image)}


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
