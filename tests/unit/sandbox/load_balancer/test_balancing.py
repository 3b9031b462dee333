"""Which target gets a request."""

import asyncio
from collections import Counter

from sandbox.load_balancer.balancer import Balancer
from sandbox.load_balancer.config import Listener, LoadBalancerConfig, Target, TargetState
from tests.unit.sandbox.event_loop import scenario
from tests.unit.sandbox.load_balancer.harness import OK, FakeTarget, load_balancer, target

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@scenario
async def test_idle_targets_take_turns() -> None:
    async with target(OK) as first, target(OK) as second, target(OK) as third:
        async with load_balancer(first.port, second.port, third.port) as balancer:
            for _ in range(9):
                await balancer.ask(GET)
        assert [len(each.heads) for each in (first, second, third)] == [3, 3, 3]


@scenario
async def test_a_busy_target_gets_fewer_requests() -> None:
    async def slow(_: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(OK)

    async with target(slow) as busy, target(OK) as idle, load_balancer(busy.port, idle.port) as balancer:
        pending = [asyncio.create_task(balancer.ask(GET)) for _ in range(2)]
        await asyncio.sleep(0.05)
        for _ in range(6):
            await balancer.ask(GET)
        await asyncio.gather(*pending)
        assert (len(busy.heads), len(idle.heads)) == (1, 7)


@scenario
async def test_targets_that_are_not_ready_or_drain_get_nothing() -> None:
    async with target(OK) as new, target(OK) as old, target(OK) as ready, load_balancer() as balancer:
        balancer.set_states(
            {new.port: TargetState.INITIAL, old.port: TargetState.DRAINING, ready.port: TargetState.HEALTHY}
        )
        for _ in range(5):
            await balancer.ask(GET)
        assert [len(each.heads) for each in (new, old, ready)] == [0, 0, 5]


@scenario
async def test_a_target_that_drains_or_leaves_ends_its_requests_but_keeps_no_connection() -> None:
    go_on = asyncio.Event()
    closed = asyncio.Event()

    async def wait(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(OK)
        if await reader.read() == b"":
            closed.set()

    for state in (None, TargetState.DRAINING):
        go_on.clear()
        closed.clear()
        async with target(wait) as service, load_balancer(service.port) as balancer:
            pending = asyncio.create_task(balancer.ask(GET))
            await _until_busy(service)
            balancer.set_states({service.port: state} if state else {})
            go_on.set()
            assert (await pending).startswith(b"HTTP/1.1 200")
            await asyncio.wait_for(closed.wait(), 5)


async def _until_busy(service: FakeTarget) -> None:
    while not service.heads:
        await asyncio.sleep(0.01)


@scenario
async def test_requests_in_flight_are_counted() -> None:
    async def slow(_: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(OK)

    async with target(slow) as service, load_balancer(service.port) as balancer:
        pending = [asyncio.create_task(balancer.ask(GET)) for _ in range(3)]
        await _until_busy(service)
        await asyncio.sleep(0.05)
        assert balancer.routing.in_flight() == {f"127.0.0.1:{service.port}": 3}
        await asyncio.gather(*pending)
        assert balancer.routing.in_flight() == {f"127.0.0.1:{service.port}": 0}


@scenario
async def test_weights_split_requests_between_target_groups() -> None:
    balancer = Balancer()
    listener = Listener(port=1, forward={"blue": 90, "green": 10, "off": 0})
    groups = {
        name: {f"127.0.0.1:{port}": Target(port=port, state=TargetState.HEALTHY)}
        for port, name in enumerate(("blue", "green", "off"), start=2)
    }
    balancer.apply(LoadBalancerConfig(listeners={1: listener}, target_groups=groups))
    chosen = Counter(
        backend.target.port for _ in range(2000) if (backend := balancer.pick(listener, tried=())) is not None
    )
    assert chosen[4] == 0
    assert 0.02 < chosen[3] / 2000 < 0.3
