"""`./gantry up` and `./gantry down`: the whole platform on this machine."""

import http.client
import json
import time
import urllib.error
import urllib.request

from botocore.exceptions import BotoCoreError, ClientError
from rich.panel import Panel
from rich.table import Table

from contract.environments import SANDBOX
from contract.service import HEALTH_PATH
from ops import cdk, logs, service_environment, task_health, turns
from ops.assembly import parse_overrides
from ops.aws import connect, settings_of
from ops.console import CliError, Phase, err, out, phase, tail
from ops.paths import SANDBOX_DIR
from sandbox import version
from sandbox.lifecycle import Sandbox, SandboxError
from sandbox.tls import ensure_authority
from stacks.settings import LAYERS, Settings, SettingsError

_OUTPUTS = SANDBOX_DIR / "outputs.json"
# Where the sandbox is; another place would be a real account.
_FIXED = frozenset({"account", "environment"})
_HEALTH_MARGIN_SECONDS = 15.0  # above the time that a task has to start
_RETURN_TIMEOUT_SECONDS = 15.0  # another command may be restarting the embedded AWS


def up(*, overrides: tuple[str, ...] = ()) -> str:
    """Deploy the platform to the embedded AWS, wait for a healthy service and return its URL.

    Parameters
    ----------
    overrides
        Settings to override, each as ``key=value``.

    Raises
    ------
    CliError
        When a phase fails or is interrupted; it says why.
    """
    try:
        with turns.alone("./gantry up"):
            return _up(overrides)
    except KeyboardInterrupt:
        if not Sandbox(SANDBOX_DIR).status().running:
            raise
        raise CliError(
            "Interrupted; the sandbox runs on.",
            remedy="`./gantry up` continues; `./gantry down` stops it.",
            exit_code=130,
        ) from None


def _up(overrides: tuple[str, ...]) -> str:
    began = time.monotonic()
    settings = _checked(overrides)
    with phase("Service packages") as current:
        current.result = "" if service_environment.ensure() else "up to date"
    sandbox = _start()
    with phase("Deployment") as current:
        _deploy(current, overrides)
    url = _service_url()
    with phase("Service healthy") as current:
        current.result = _wait_until_healthy(url, settings.ecs.start_seconds)
    _summary(url, sandbox, time.monotonic() - began)
    return url


def down(*, wipe: bool) -> None:
    """Stop every process of the sandbox; with `wipe`, remove its data too.

    Raises
    ------
    CliError
        When a process cannot be stopped.
    """
    sandbox = Sandbox(SANDBOX_DIR)
    with turns.alone("./gantry down"), phase("Stop") as current:
        try:
            ended = sandbox.wipe() if wipe else sandbox.stop()
        except SandboxError as error:
            raise CliError(str(error)) from error
        current.result = "stopped" if ended else "nothing was running"
        current.result += ", data removed" if wipe else ""


def _checked(overrides: tuple[str, ...]) -> Settings:
    """Return the sandbox's settings; what cannot be deployed is refused before anything takes time."""
    given = parse_overrides(overrides)
    for key in _FIXED & given.keys():
        raise CliError(
            f"`./gantry up` deploys the sandbox: {key} = {given[key]!r} is not its own.",
            remedy=f"For another environment: `./gantry cdk deploy --all -c {key}={given[key]}`.",
        )
    try:
        return settings_of(SANDBOX, overrides=given)
    except SettingsError as error:
        raise CliError(str(error)) from error


def _start() -> Sandbox:
    sandbox = Sandbox(SANDBOX_DIR)
    with phase("Embedded AWS") as current:
        reused, current_code = sandbox.status().running, version.is_current(SANDBOX_DIR)
        try:
            if not current_code:
                # A part that runs older code does not know what the new templates need.
                if reused:
                    err.print("The embedded AWS runs an older version of its code: restarting it.")
                sandbox.stop()
            sandbox.start()
            version.record_start(SANDBOX_DIR)
        except SandboxError as error:
            remedy = f"Logs are in {SANDBOX_DIR / 'logs'}." if error.detail else None
            raise CliError(str(error), detail=error.detail, remedy=remedy) from error
        how = " (was running)" if current_code else " (restarted)"
        current.result = f"{sandbox.status().endpoint_url}{how if reused else ''}"
    return sandbox


def _deploy(current: Phase, overrides: tuple[str, ...]) -> None:
    done = 0

    def follow(line: str) -> None:
        nonlocal done
        words = line.split()
        if line.lstrip().startswith("✅"):
            done += 1
        elif (len(words) > 1 and words[-1] == "deploying...") or "_IN_PROGRESS" in line:
            current.note(f"{done} stacks done · {' '.join(words)}")

    context = [word for override in overrides for word in ("--context", override)]
    cdk.run_logged(
        ["deploy", "--all", "--require-approval", "never", "--concurrency", "4", "--progress", "events",
         "--outputs-file", str(_OUTPUTS), "--context", f"environment={SANDBOX}", *context],
        SANDBOX_DIR / "logs" / "deploy.log",
        follow,
    )  # fmt: skip
    current.result = f"{done} stacks"


def _outputs() -> dict[str, dict[str, str]]:
    stacks: dict[str, dict[str, str]] = json.loads(_OUTPUTS.read_text(encoding="utf-8"))
    return stacks


def _service_url() -> str:
    for outputs in _outputs().values():
        if "ServiceUrl" in outputs:
            return outputs["ServiceUrl"]
    raise CliError("No stack has an output ServiceUrl.", remedy="The compute layer must export it.")


def _wait_until_healthy(url: str, start_seconds: int) -> str:
    deadline = time.monotonic() + start_seconds + _HEALTH_MARGIN_SECONDS
    environment = connect(SANDBOX)
    outputs = environment.outputs("compute")
    trust = urllib.request.HTTPSHandler(context=ensure_authority(SANDBOX_DIR / "tls").client_context())
    opener = urllib.request.build_opener(
        trust, urllib.request.ProxyHandler({})
    )  # of the user's proxies, none
    while True:
        try:
            with opener.open(f"{url}{HEALTH_PATH}", timeout=5) as response:
                answer = task_health.dependencies(environment, outputs)
                if answer == task_health.WELL:
                    return f"{url}{HEALTH_PATH} → {response.status}"
        except urllib.error.HTTPError as error:
            answer = f"HTTP {error.code}"
        except (OSError, http.client.HTTPException) as error:
            answer = str(error)
        if time.monotonic() > deadline:
            raise _unhealthy(url, f"within {start_seconds} s: {answer}")
        time.sleep(0.2)


def _unhealthy(url: str, answer: str) -> CliError:
    """Return why the service did not get healthy in time: what it needs and does not run, if there is any."""
    if problems := Sandbox(SANDBOX_DIR).problems():
        return CliError(
            "\n".join(str(problem) for problem in problems),
            detail="\n".join(problems[0].lines),
            remedy=f"Its whole log is {problems[0].log}.",
        )
    return CliError(
        f"The service at {url} did not get healthy {answer}",
        detail=_newest_task_log(),
        remedy=f"Task logs are in {SANDBOX_DIR / 'logs' / 'tasks'}.",
    )


def _newest_task_log() -> str | None:
    logs = sorted((SANDBOX_DIR / "logs" / "tasks").glob("*.log"), key=lambda path: path.stat().st_mtime)
    return tail(logs[-1]) if logs else None


def _summary(url: str, sandbox: Sandbox, seconds: float) -> None:
    table = Table.grid(padding=(0, 3))
    table.add_row("Service", f"[bold]{url}[/bold]")
    table.add_row("API docs", f"{url}/api/docs")
    table.add_row("Health", f"{url}{HEALTH_PATH}")
    table.add_row("Embedded AWS", str(sandbox.status().endpoint_url))
    settings = settings_of(SANDBOX)
    table.add_row("Stacks", "\n".join(settings.stack_name(layer) for layer in LAYERS))
    err.print()
    err.print(Panel(table, title=f"Gantry is up ({seconds:.0f} s)", border_style="green", expand=False))
    err.print(
        "Try next:\n"
        "  ./gantry status                the stacks, the service and its tasks\n"
        "  ./gantry logs --follow         what the service says\n"
        "  ./gantry cdk diff              what a change of yours would do\n"
        "  ./gantry down                  stop (with --wipe: remove the data too)\n"
    )
    out.print(url)


def wait_for_interrupt(url: str) -> None:
    """Keep the sandbox in the foreground, following the service's logs, until Ctrl-C; then stop it.

    Raises
    ------
    CliError
        When the embedded AWS ends and does not come back.
    """
    err.print(f"[dim]Serving {url}; Ctrl-C stops it (the data stays).[/dim]")
    try:
        while True:
            try:
                logs.follow(SANDBOX)
            except (BotoCoreError, ClientError, CliError) as error:
                _wait_for_return(error)
    except KeyboardInterrupt:
        err.print()
        down(wipe=False)


def _wait_for_return(error: Exception) -> None:
    deadline = time.monotonic() + _RETURN_TIMEOUT_SECONDS
    while not Sandbox(SANDBOX_DIR).status().running:
        if time.monotonic() > deadline:
            raise CliError(
                "The embedded AWS has ended.",
                detail=tail(SANDBOX_DIR / "logs" / "server.log", 10),
                remedy="Start it again with `./gantry up`; what was deployed is kept.",
            ) from error
        time.sleep(1)
