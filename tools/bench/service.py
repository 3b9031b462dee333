"""The reference service next to what it is made of, on a real PostgreSQL and Valkey."""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ops.paths import ROOT
from sandbox.load_balancer.alone import tls_in_front_of
from sandbox.ports import any_free
from sandbox.postgres import PostgresServer
from sandbox.tls import Authority, ensure_authority
from sandbox.valkey import ValkeyServer
from tools.bench.http_load import LoadResult, http_load, percentile
from tools.bench.measurement import Measurement

_FEW, _MANY = 16, 400
_SECONDS = 3.0
_ROUNDS = 3
_TASKS = 21
_LIMIT = 20
_WORKERS = os.cpu_count() or 1
_MASTER = "master"
_SERVICE = ROOT / "service"
_METHOD = {"one": "psycopg, the statement of today", "two": "psycopg, the two statements of then"}


@dataclass(frozen=True, kw_only=True)
class _Programs:
    """What is measured: ports of the bare server and of the service, and how to ask the latter."""

    environment: Mapping[str, str]
    bare: int
    service: int
    cookie: str
    project: str
    account: str

    def load(self, what: str, connections: int) -> LoadResult:
        path = {
            "bare hello": "/hello",
            "bare list": f"/list/{self.account}/{self.project}/{_LIMIT}",
            "/healthz": "/healthz",
            "list": f"/api/v1/projects/{self.project}/tasks?limit={_LIMIT}",
        }[what]
        port, cookie = (self.bare, "") if what.startswith("bare") else (self.service, self.cookie)
        return http_load(port, path, cookie=cookie, connections=connections, seconds=_SECONDS)

    def statements(self, way: str, concurrency: int) -> float:
        first = ("0001-01-01T00:00:00Z", "00000000-0000-0000-0000-000000000000", str(_LIMIT + 1))
        command = [sys.executable, "-m", "tools.bench.bare", way, str(concurrency), str(_SECONDS), *first]
        done = subprocess.run(
            [*command, self.project, self.account],
            env=self.environment, cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return float(done.stdout)


def measure() -> Iterator[Measurement]:
    """Measure in turn, some rounds, so that a machine whose speed drifts slows all alike.

    The service has a worker for each vCPU, as in a task, and so have the bare server and the bare list, which
    is the same framework, pipeline and statement and nothing else. One process does the bare statements: the
    list's one of today, and the two that it was when the target was set.
    """
    results: dict[tuple[str, int], list[LoadResult]] = {}
    rates: dict[tuple[str, int], list[float]] = {}
    with _programs() as programs:
        for _ in range(_ROUNDS):
            for connections in (_FEW, _MANY):
                for way in ("one", "two"):
                    rate = programs.statements(way, connections)
                    rates.setdefault((way, connections), []).append(rate)
                for what in ("bare hello", "/healthz", "bare list", "list"):
                    result = programs.load(what, connections)
                    results.setdefault((what, connections), []).append(result)
    bare = {key: statistics.median(each) for key, each in rates.items()}
    good = {key: statistics.median(each.goodput for each in found) for key, found in results.items()}
    for (way, connections), rate in bare.items():
        yield _number(f"bare list in {way}, {connections} at a time", rate, "/s", method=_METHOD[way])
    for (what, connections), found in results.items():
        yield from _outcome(f"{what}, {connections} connections", found)
    for way, target in (("one", ""), ("two", "≥ 0.4")):
        ratio = good["list", _FEW] / bare[way, _FEW]
        yield _number(f"list ÷ bare list in {way}", ratio, "", target, _METHOD[way])
    yield _number(
        "list ÷ bare list",
        good["list", _FEW] / good["bare list", _FEW],
        "",
        "≥ 0.7",
        f"at {_FEW} connections",
    )
    ratio = good["/healthz", _FEW] / good["bare hello", _FEW]
    yield _number("/healthz ÷ bare hello", ratio, "", "≥ 0.7", f"at {_FEW} connections")
    kept = good["list", _MANY] / good["list", _FEW]
    yield _number("list: goodput kept", kept, "", "≥ 0.9", f"at {_MANY} connections, of that at {_FEW}")


def _outcome(name: str, found: list[LoadResult]) -> Iterator[Measurement]:
    def median(percent: int, kind: str) -> float:
        return statistics.median(percentile(getattr(each, kind), percent) for each in found)

    yield _number(f"{name}: goodput", statistics.median(each.goodput for each in found), "/s")
    yield _number(f"{name}: p50", median(50, "served"), "ms")
    yield _number(f"{name}: p99", median(99, "served"), "ms", "≤ 1000 ms")
    if any(each.refused for each in found):
        count = statistics.median(len(each.refused) / each.seconds for each in found)
        yield _number(f"{name}: refused with 503", count, "/s")
        yield _number(f"{name}: refused, p99", median(99, "refused"), "ms", "≤ 50 ms")
    yield _number(f"{name}: without an answer", sum(each.timeouts for each in found), "", "0")
    if others := sum(each.others for each in found):
        yield _number(f"{name}: with another status", others, "", "0")


def _number(name: str, value: float, unit: str, target: str = "", method: str = "") -> Measurement:
    default = f"{_SECONDS:.0f} s; median of {_ROUNDS} rounds in turn"
    return Measurement(name=name, value=value, unit=unit, target=target, method=method or default)


@contextmanager
def _programs() -> Iterator[_Programs]:
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        environment = stack.enter_context(_backends(folder))
        bare, service = any_free(), any_free()
        options = ("--port", str(bare), "--no-access-log", "--loop", "uvloop", "--workers", str(_WORKERS))
        command = ("uvicorn", "tools.bench.bare:app", *options)
        stack.enter_context(_process(command, environment, f"http://127.0.0.1:{bare}/hello", folder))
        url = f"http://127.0.0.1:{service}"
        environment = {**environment, "PORT": str(service)}
        stack.enter_context(_process(("taskboard",), environment, f"{url}/healthz", folder))
        cookie, account, project = _project(url)
        yield _Programs(
            environment=environment, bare=bare, service=service,
            cookie=cookie, account=account, project=project,
        )  # fmt: skip


@contextmanager
def _backends(folder: Path) -> Iterator[dict[str, str]]:
    """Run PostgreSQL and Valkey; yield the service's environment."""
    authority = ensure_authority(folder / "tls")
    postgres = PostgresServer(
        data_dir=folder / "postgres", port=any_free(), authority=authority, log=folder / "postgres.log"
    )
    valkey = ValkeyServer(data_dir=folder / "valkey", port=any_free(), log=folder / "valkey.log")
    try:
        postgres.start()
        postgres.set_master(_MASTER, _MASTER, database="app")
        valkey.start()
        valkey.set_user("app", passwords=["valkey"], access="on ~* &* +@all -@dangerous")
        with tls_in_front_of(valkey.port, folder) as tls_port:
            yield _environment(postgres.port, tls_port, authority)
    finally:
        postgres.destroy()
        valkey.destroy()


def _environment(database_port: int, cache_port: int, authority: Authority) -> dict[str, str]:
    trust = str(authority.certificate)
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}{os.pathsep}{_SERVICE}",
        "HOST": "127.0.0.1",
        "PORT": "1",
        "ENVIRONMENT": "bench",
        "SERVICE_VERSION": "bench",
        "LOG_LEVEL": "INFO",
        "WEB_CONCURRENCY": str(_WORKERS),
        "STOP_TIMEOUT_SECONDS": "5",
        "COOKIE_SECURE": "false",
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(database_port),
        "DATABASE_NAME": "app",
        "DATABASE_POOL_MIN": "10",
        "DATABASE_POOL_MAX": "10",
        "DATABASE_SECRET": json.dumps({"username": _MASTER, "password": _MASTER}),
        "VALKEY_HOST": "127.0.0.1",
        "VALKEY_PORT": str(cache_port),
        "VALKEY_SECRET": json.dumps({"username": "app", "password": "valkey"}),
        "SECRET_KEY_BASE": json.dumps({"current": "k" * 64}),
        "PGSSLROOTCERT": trust,
        "SSL_CERT_FILE": trust,
        "RATE_LIMIT_PER_MINUTE": "100000000",
    }


@contextmanager
def _process(
    module: tuple[str, ...], environment: Mapping[str, str], url: str, folder: Path
) -> Iterator[None]:
    with (folder / f"{module[0]}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{module[0]} does not serve: {(folder / f'{module[0]}.log').read_text(encoding='utf-8')}"
                )
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _project(url: str) -> tuple[str, str, str]:
    """Make an account, a project and its tasks; return the cookie and the two ids."""
    with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as client:
        credentials = {"email": "bench@example.com", "password": "unrelated words of a bench"}
        account: dict[str, Any] = client.post("/sign-up", json=credentials).raise_for_status().json()
        project = client.post("/projects", json={"name": "bench"}).raise_for_status().json()
        for number in range(_TASKS):
            client.post(
                f"/projects/{project['id']}/tasks", json={"title": f"task {number}"}
            ).raise_for_status()
        return f"session={client.cookies['session']}", str(account["id"]), str(project["id"])
