"""Changes of what the load balancer serves, and a load balancer that does not run."""

import asyncio
import json
from pathlib import Path

import pytest

from sandbox.layout import Layout
from sandbox.load_balancer.alone import running
from sandbox.load_balancer.config import Listener, LoadBalancerConfig, Target, TargetState, TlsProxy
from sandbox.load_balancer.control import LoadBalancerControl, served_version
from sandbox.ports import LOAD_BALANCER_PORTS, Ports, any_free
from sandbox.tls import ensure_authority
from tests.integration.load_balancer.harness import OK, Balancing, target
from tests.unit.sandbox.event_loop import scenario

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@scenario
async def test_a_change_is_obeyed_when_the_method_returns(balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening() as balancer:
        for state, status in (
            (TargetState.INITIAL, b"503"),
            (TargetState.HEALTHY, b"200"),
            (TargetState.DRAINING, b"503"),
        ):
            balancer.set_states({service.port: state})
            assert status in await balancer.ask(GET)
        balancing.control.remove_listener(balancer.port)
        assert b"404" in await balancer.ask(GET)


def test_what_is_changed_while_none_runs_is_served_by_the_next(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    ports.keep_spare()
    ensure_authority(tmp_path / "tls")
    control, port = LoadBalancerControl(tmp_path), ports.get(f"{LOAD_BALANCER_PORTS}web")
    control.put_listener(Listener(port=port, forward={"group": 1}))
    control.put_target("group", Target(port=any_free(), state=TargetState.HEALTHY))
    assert served_version(Layout(tmp_path)) is None
    with running(tmp_path) as (later, _):
        assert later.targets("group") == control.targets("group")
        served = served_version(Layout(tmp_path))
        assert served is not None
        assert b"502" in asyncio.run(_ask(port))
    assert served_version(Layout(tmp_path)) is None


async def _ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    answer = await reader.read()
    writer.close()
    return answer


def test_one_of_a_sandbox_that_was_moved_is_not_its_own(balancing: Balancing, tmp_path: Path) -> None:
    assert served_version(balancing.layout) is not None
    (tmp_path / "ports.json").write_text(balancing.layout.ports.read_text())
    assert served_version(Layout(tmp_path)) is None


@scenario
async def test_an_idle_connection_through_a_tls_proxy_stays_open(balancing: Balancing) -> None:
    async with target(OK) as service:
        port = balancing.ports.get(f"{LOAD_BALANCER_PORTS}tls")
        balancing.control.put_tls_proxy(TlsProxy(port=port, upstream_port=service.port))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=balancing.authority.client_context()
        )
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"ok")
            await asyncio.sleep(2)  # twice the time that a client of HTTP has
        writer.close()
        balancing.control.remove_tls_proxy(port)
        balancing.ports.release(f"{LOAD_BALANCER_PORTS}tls")


def test_a_process_listens_on_no_other_port_and_only_on_the_loopback_interface(balancing: Balancing) -> None:
    listening = {
        (each.laddr.ip, each.laddr.port) for each in balancing.connections() if each.status == "LISTEN"
    }
    assert listening == {("127.0.0.1", port) for port in balancing.ports.known().values()}


def test_the_file_holds_the_whole_configuration(tmp_path: Path) -> None:
    config = LoadBalancerConfig(
        version=7,
        listeners={80: Listener(port=80, forward={"a": 1, "b": 2}, idle_timeout=5)},
        tls_proxies={6379: TlsProxy(port=6379, upstream_port=1)},
        target_groups={"a": {"127.0.0.1:5": Target(port=5, state=TargetState.DRAINING)}, "b": {}},
    )
    config.save(tmp_path / "load_balancer.json")
    assert LoadBalancerConfig.load(tmp_path / "load_balancer.json") == config


def test_a_file_of_before_traefik_is_read(tmp_path: Path) -> None:
    files = {"certificate": "/c.pem", "private_key": "/c.key"}
    none = {"certificate": "", "private_key": ""}
    listeners = [{"port": port, "forward": {"a": 1}, "idle_timeout": 60} for port in (80, 443)]
    document = {
        "version": 7,
        "listeners": [listeners[0] | none, listeners[1] | files],
        "tls_proxies": [{"port": 6379, "upstream_port": 1} | files],
        "target_groups": {},
    }
    (tmp_path / "old.json").write_text(json.dumps(document))
    config = LoadBalancerConfig.load(tmp_path / "old.json")
    assert {port: each.secure for port, each in config.listeners.items()} == {80: False, 443: True}
    assert config.tls_proxies == {6379: TlsProxy(port=6379, upstream_port=1)}


def test_ports_for_what_is_deployed_later_come_to_an_end_and_come_back(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    ports.keep_spare()
    names = [f"{LOAD_BALANCER_PORTS}{number}" for number in range(16)]
    given = [ports.get(name) for name in names]
    with pytest.raises(RuntimeError, match="no port left for a load balancer or cache: it can add 16"):
        ports.get(f"{LOAD_BALANCER_PORTS}17")
    ports.release(names[3])
    assert ports.get(f"{LOAD_BALANCER_PORTS}17") == given[3]
    ports.keep_spare()
    assert ports.get(f"{LOAD_BALANCER_PORTS}18") not in given
