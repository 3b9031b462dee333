"""Orders to a load balancer that runs in the same process, and to none."""

import asyncio
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.load_balancer.config import (
    Listener,
    LoadBalancerConfig,
    Target,
    TargetState,
    TlsProxy,
    admin_file,
    config_file,
)
from sandbox.load_balancer.control import LoadBalancerControl, LoadBalancerError
from sandbox.load_balancer.server import LoadBalancer
from sandbox.tls import ensure_authority
from tests.unit.sandbox.event_loop import scenario
from tests.unit.sandbox.load_balancer.harness import OK, target, unused_port

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def running_load_balancer(state_dir: Path) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    running = asyncio.create_task(LoadBalancer(state_dir).run(stopping))
    while not await asyncio.to_thread(LoadBalancerControl(state_dir).is_running):
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        stopping.set()
        await running


async def ask(port: int, tls: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(GET)
    answer = await reader.read()
    writer.close()
    return answer


def put(control: LoadBalancerControl, port: int, state: TargetState) -> Callable[[], None]:
    return lambda: control.put_target("group", Target(port=port, state=state))


@scenario
async def test_what_is_ordered_is_obeyed_when_the_order_returns(tmp_path: Path) -> None:
    control, port = LoadBalancerControl(tmp_path), unused_port()
    async with target(OK) as service, running_load_balancer(tmp_path):
        await asyncio.to_thread(control.put_listener, Listener(port=port, forward={"group": 1}))
        assert b"503" in await ask(port)
        await asyncio.to_thread(put(control, service.port, TargetState.HEALTHY))
        assert b"200" in await ask(port)
        await asyncio.to_thread(put(control, service.port, TargetState.DRAINING))
        assert b"503" in await ask(port)
        assert control.targets("group") == [Target(port=service.port, state=TargetState.DRAINING)]
        await asyncio.to_thread(control.remove_target, "group", f"127.0.0.1:{service.port}")
        assert control.targets("group") == []
        await asyncio.to_thread(control.remove_listener, port)
        with pytest.raises(ConnectionRefusedError):
            await ask(port)


@scenario
async def test_a_listener_that_gets_a_certificate_goes_on_with_https_on_its_port(tmp_path: Path) -> None:
    control, port, authority = (
        LoadBalancerControl(tmp_path),
        unused_port(),
        ensure_authority(tmp_path / "tls"),
    )
    plain = Listener(port=port, forward={"group": 1})
    secure = dataclasses.replace(
        plain, certificate=str(authority.server_certificate), private_key=str(authority.server_key)
    )
    async with target(OK) as service, running_load_balancer(tmp_path):
        await asyncio.to_thread(put(control, service.port, TargetState.HEALTHY))
        await asyncio.to_thread(control.put_listener, plain)
        assert b"200" in await ask(port)
        await asyncio.to_thread(control.put_listener, secure)
        assert b"200" in await ask(port, authority.client_context())
        assert b"X-Forwarded-Proto: https" in service.heads[-1]
        assert await ask(port) == b""


def test_orders_to_a_load_balancer_that_does_not_run_are_kept_for_it(tmp_path: Path) -> None:
    control = LoadBalancerControl(tmp_path)
    control.put_listener(Listener(port=1, forward={"group": 1}))
    control.put_target("group", Target(port=2))
    assert not control.is_running()
    assert control.in_flight("127.0.0.1:2") == 0
    config = LoadBalancerConfig.load(config_file(tmp_path))
    assert list(config.listeners) == [1]
    assert LoadBalancerControl(tmp_path).targets("group") == [Target(port=2)]


@scenario
async def test_process_that_has_the_port_of_a_load_balancer_that_is_gone_is_left_alone(
    tmp_path: Path,
) -> None:
    async with target(OK) as stranger, running_load_balancer(tmp_path):
        record = json.loads(admin_file(tmp_path).read_text())
        admin_file(tmp_path).write_text(json.dumps(record | {"started": "before", "port": stranger.port}))
        assert not await asyncio.to_thread(LoadBalancerControl(tmp_path).is_running)
        assert stranger.connections == 0


@scenario
async def test_a_port_that_cannot_be_served_is_an_error_of_that_port_alone(tmp_path: Path) -> None:
    control = LoadBalancerControl(tmp_path)
    async with target(OK) as service, running_load_balancer(tmp_path):
        listener = Listener(port=service.port, forward={"group": 1})
        with pytest.raises(
            LoadBalancerError, match=f"cannot listen on port {service.port}: Address already in use"
        ):
            await asyncio.to_thread(control.put_listener, listener)
        port = unused_port()
        proxy = TlsProxy(port=port, upstream_port=1, certificate="/no.pem", private_key="/no.key")
        with pytest.raises(LoadBalancerError, match=f"cannot end TLS on port {port}: No such file"):
            await asyncio.to_thread(control.put_tls_proxy, proxy)
        # One failure is no one else's.
        await asyncio.to_thread(put(control, service.port, TargetState.HEALTHY))
        await asyncio.to_thread(control.put_listener, Listener(port=port, forward={"group": 1}))
        assert b"200" in await ask(port)
        assert set(LoadBalancerConfig.load(config_file(tmp_path)).listeners) == {port}


def test_the_file_holds_the_whole_configuration(tmp_path: Path) -> None:
    config = LoadBalancerConfig(
        version=7,
        listeners={80: Listener(port=80, forward={"a": 1, "b": 2}, idle_timeout=5)},
        tls_proxies={6379: TlsProxy(port=6379, upstream_port=1, certificate="c", private_key="k")},
        target_groups={"a": {"127.0.0.1:5": Target(port=5, state=TargetState.DRAINING)}, "b": {}},
    )
    config.save(tmp_path / "load_balancer.json")
    assert LoadBalancerConfig.load(tmp_path / "load_balancer.json") == config
