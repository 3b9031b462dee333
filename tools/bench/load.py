"""A constant load on the reference service, and a record of everything that went wrong with it."""

import asyncio
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp

_PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts that only the load uses
_TIMEOUT = aiohttp.ClientTimeout(total=15)
_OK = 200
_CREATED = 201
_UNAUTHORIZED = 401


@dataclass
class LoadReport:
    """What happened to the requests of a load.

    Attributes
    ----------
    requests
        Finished requests by kind: read, write, sign-in.
    failures
        One line a failed request: seconds since the start, kind, and what came instead of success.
    lost_sessions
        Requests with an existing session that were answered as if there were none.
    """

    requests: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    lost_sessions: int = 0

    @property
    def total(self) -> int:
        """All finished requests."""
        return sum(self.requests.values())


class _User:
    """One signed-in person who reads, writes, and now and then signs in again."""

    def __init__(self, url: str, report: LoadReport, began: float) -> None:
        self._url, self._report, self._began = url, report, began
        self._email = f"{secrets.token_hex(8)}@load.example"
        self._project = ""
        self._client = aiohttp.ClientSession(
            timeout=_TIMEOUT, cookie_jar=aiohttp.CookieJar(unsafe=True)  # accepts cookies of an address
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        credentials = {"email": self._email, "password": _PASSWORD}
        await self._expect(_CREATED, "POST", "/sign-up", credentials)
        project = await self._expect(_CREATED, "POST", "/projects", {"name": "load"})
        self._project = str(project["id"])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def act(self, turn: int, *, writes: bool) -> None:
        """Make the next request of the mix: mostly reads, a quarter writes if wanted."""
        tasks = f"/projects/{self._project}/tasks"
        if writes and turn % 4 == 0:
            await self._try("write", _CREATED, "POST", tasks, {"title": f"task {turn}"})
        else:
            await self._try("read", _OK, "GET", f"{tasks}?limit=10")

    async def sign_in(self) -> None:
        """Sign in again; the session is another one from then on."""
        credentials = {"email": self._email, "password": _PASSWORD}
        await self._try("sign-in", _OK, "POST", "/sign-in", credentials)

    async def _expect(
        self, status: int, method: str, path: str, body: dict[str, str] | None
    ) -> dict[str, object]:
        async with self._client.request(method, f"{self._url}/api/v1{path}", json=body) as response:
            text = await response.text()
            if response.status != status:
                raise _UnexpectedAnswerError(response.status, text)
            document: dict[str, object] = await response.json()
            return document

    async def _try(
        self, kind: str, status: int, method: str, path: str, body: dict[str, str] | None = None
    ) -> None:
        try:
            await self._expect(status, method, path, body)
        except _UnexpectedAnswerError as error:
            self._report.lost_sessions += error.status == _UNAUTHORIZED and kind != "sign-in"
            self._fail(kind, str(error))
        except (aiohttp.ClientError, TimeoutError) as error:
            self._fail(kind, f"{type(error).__name__}: {error}")
        self._report.requests[kind] += 1

    def _fail(self, kind: str, what: str) -> None:
        self._report.failures.append(f"{time.monotonic() - self._began:7.2f} s  {kind}: {what}")


class _UnexpectedAnswerError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text[:200]}")
        self.status = status


@dataclass(frozen=True, kw_only=True)
class _Mix:
    """How the users behave."""

    users: int
    pause: float
    writes: bool


@dataclass(frozen=True)
class _Signals:
    ready: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)


async def _live(user: _User, mix: _Mix, signals: _Signals, *, signs_in: bool) -> None:
    turn = 0
    while not signals.stop.is_set():
        turn += 1
        if signs_in and mix.writes and turn % 40 == 0:
            await user.sign_in()
        await user.act(turn, writes=mix.writes)
        await asyncio.sleep(mix.pause)


async def _run(url: str, mix: _Mix, report: LoadReport, signals: _Signals) -> None:
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        people = [await stack.enter_async_context(_User(url, report, began)) for _ in range(mix.users)]
        signals.ready.set()
        # Half of them keep their first session to the end; the others sign in again from time to time.
        lives = [_live(each, mix, signals, signs_in=index % 2 == 1) for index, each in enumerate(people)]
        await asyncio.gather(*lives)


@contextmanager
def load(url: str, *, users: int = 8, pause: float = 0.05, writes: bool = True) -> Iterator[LoadReport]:
    """Keep a constant load on a service while the body runs.

    Parameters
    ----------
    url
        Base URL of the reference service.
    users
        Signed-in people, each with a session that is used all the time.
    pause
        Seconds that each of them waits between two requests.
    writes
        Whether they change anything, signing in included, or only read.

    Yields
    ------
    LoadReport
        Complete once the context is left; it grows meanwhile.
    """
    report = LoadReport()
    mix, signals = _Mix(users=users, pause=pause, writes=writes), _Signals()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(_run(url, mix, report, signals))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            failed.append(error)
            signals.ready.set()

    thread = threading.Thread(target=work, name="load")
    thread.start()
    signals.ready.wait()
    try:
        yield report
    finally:
        signals.stop.set()
        thread.join()
    if failed:
        raise failed[0]
