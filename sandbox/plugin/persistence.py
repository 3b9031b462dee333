"""State of the emulated services on disk: written before a change is answered, not only at a clean end.

ministack loads and saves the state of its services as a whole, at start and at shutdown. A killed process
would lose everything since the last start. What is on disk when it is killed:

- every request that was answered, but for the last of logs and metrics;
- every stack operation whose end can be seen;
- of a stack operation under way enough to roll it back at the next start;
- what changes without a request (schedules, deliveries of messages, metrics) as of the last minute.
"""

import asyncio
import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ministack import app
from ministack.core import persistence
from ministack.services.cloudformation import stacks

from sandbox.files import write_atomically
from sandbox.plugin.patching import wrap

_logger = logging.getLogger(__name__)

# How long changes are gathered before they are written, where no answer promises that they are; and how many
# times as long as the last writing took. Logs grow to tens of megabytes, and while they are made into JSON
# nothing else runs.
_DELAY_SECONDS = 0.25
_DELAY_FACTOR = 20
# One line or number of many, which grow: nothing waits until they are written.
_GROWING = frozenset({"cloudwatch", "cloudwatch_logs"})
# A request changes no more than a change set in CloudFormation.
_ANSWERED_BEFORE = _GROWING | {"cloudformation"}
_RETRY_SECONDS = 5.0
# During a stack operation nearly every service changes all the time.
_STACK_DELAY_SECONDS = 1.0
# A sweep over all services finds what changed without a request (schedules that fired, expired items).
_SWEEP_SECONDS = 60.0
_READ_PREFIXES = ("Describe", "List", "Get", "BatchGet", "Head", "Lookup", "Validate", "Estimate", "Simulate")

Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[tuple[int, Any, Any]]]


def load() -> None:
    """Give every service the state that was written for it.

    Raises
    ------
    RuntimeError
        If a file cannot be read. ministack would begin afresh, and the next change would overwrite the file.
    """
    for key, module in app._state_map.items():
        file = Path(persistence.STATE_DIR) / f"{key}.json"
        if file.exists():
            state = persistence.load_state(key)
            if state is None:
                raise RuntimeError(f"{file} cannot be read")
            app._get_module(module).load_persisted_state(state)


class StateKeeper:
    """Writes the state of services that changed, on a thread of its own.

    Parameters
    ----------
    directory
        Directory of ministack's state files.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._due: dict[str, float] = {}
        self._written: dict[str, int] = {}
        self._wake = threading.Condition()
        self._saving: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._seconds: dict[str, float] = {}

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="state-keeper", daemon=True).start()

    def changed(self, key: str, *, within: float = _DELAY_SECONDS) -> None:
        """Have the state of a service written soon.

        Parameters
        ----------
        key
            Name of its state file.
        within
            Seconds in which further changes may follow; more if writing takes long.
        """
        within = max(within, _DELAY_FACTOR * self._seconds.get(key, 0.0))
        with self._wake:
            self._due.setdefault(key, time.monotonic() + within)
            self._wake.notify()

    def everything_changed(self, *, within: float) -> None:
        """Have the state of all services written soon."""
        for key in app._build_persistence_save_dict():
            self.changed(key, within=within)

    def save(self, key: str) -> None:
        """Write the state of a service now, if it differs from what was written last; later if that fails."""
        try:
            self._save(key)
        except Exception:
            _logger.exception("The state of %s could not be written; trying again", key)
            self.changed(key, within=_RETRY_SECONDS)

    def save_everything(self) -> None:
        """Write the state of all services now, but for what grows: that soon."""
        for key in app._build_persistence_save_dict():
            (self.changed if key in _GROWING else self.save)(key)

    def _save(self, key: str) -> None:
        with self._saving[key]:  # or an older state could be written over a newer one
            began = time.monotonic()
            state = _snapshot(app._build_persistence_save_dict().get(key))
            if state is None:
                return
            document = {"__ministack_format__": persistence._state_format_version(key), "payload": state}
            text = json.dumps(document, default=persistence._json_default)
            if self._written.get(key) != hash(text):
                write_atomically(self._directory / f"{key}.json", text)
                self._written[key] = hash(text)
            self._seconds[key] = time.monotonic() - began

    def _run(self) -> None:
        swept = time.monotonic()
        while True:
            with self._wake:
                timeout = min(self._due.values(), default=swept + _SWEEP_SECONDS) - time.monotonic()
                self._wake.wait(max(0.01, timeout))
                now = time.monotonic()
                due = [key for key, moment in self._due.items() if moment <= now]
                for key in due:
                    del self._due[key]
            for key in due:
                self.save(key)
            if now - swept > _SWEEP_SECONDS:
                swept = now
                self.everything_changed(within=_STACK_DELAY_SECONDS)


def _snapshot(get_state: Callable[[], object] | None) -> object:
    # Services copy their dictionaries without a lock: a change in that moment makes the copy fail.
    for attempt in range(10):
        try:
            return get_state() if get_state else None
        except RuntimeError:
            time.sleep(0.01 * attempt)
    raise RuntimeError("the state kept changing while it was copied")


def install(keeper: StateKeeper) -> None:
    """Have every request that changes something, and every stack operation, written."""
    keys = {module: key for key, module in app._state_map.items()}
    for service, handler in list(app.SERVICE_HANDLERS.items()):
        module = app.SERVICE_REGISTRY[service]["module"]
        app.SERVICE_HANDLERS[service] = _observed(handler, keys[module], keeper)

    @wrap(stacks, "_add_event")
    def add_event(
        original: Callable[..., None],
        stack_id: str,
        stack_name: str,
        logical_id: str,
        *rest: str,
        **reasons: str,
    ) -> None:
        original(stack_id, stack_name, logical_id, *rest, **reasons)
        status = rest[1]
        if logical_id != stack_name:
            keeper.everything_changed(within=_STACK_DELAY_SECONDS)
        elif status.endswith("IN_PROGRESS"):
            keeper.everything_changed(within=_DELAY_SECONDS)
        else:
            keeper.save_everything()


def _observed(handler: Handler, key: str, keeper: StateKeeper) -> Handler:
    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> tuple[int, Any, Any]:
        try:
            return await handler(method, path, headers, body, query_params)
        finally:
            if not _only_reads(method, path, headers, body, query_params):
                if key in _ANSWERED_BEFORE:
                    keeper.changed(key)
                else:
                    await asyncio.to_thread(keeper.save, key)

    return handle


def _only_reads(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> bool:
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if not action and "x-www-form-urlencoded" in headers.get("content-type", ""):
        action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    action = action or query_params.get("Action", [""])[0]
    if action:
        return action.startswith(_READ_PREFIXES)
    return method in {"GET", "HEAD"} or path.endswith("/invocations")
