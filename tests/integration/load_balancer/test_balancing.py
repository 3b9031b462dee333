"""Which target gets a request."""

import asyncio

from sandbox.load_balancer.config import Listener, Target, TargetState
from tests.integration.load_balancer.harness import OK, Balancing, FakeTarget, target
from tests.unit.sandbox.event_loop import scenario

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@scenario
async def test_idle_targets_take_turns(balancing: Balancing) -> None:
    async with target(OK) as first, target(OK) as second, target(OK) as third:
        async with balancing.listening(first.port, second.port, third.port) as balancer:
            for _ in range(9):
                await balancer.ask(GET)
        assert [len(each.heads) for each in (first, second, third)] == [3, 3, 3]


@scenario
async def test_targets_that_are_not_ready_or_drain_get_nothing(balancing: Balancing) -> None:
    async with target(OK) as new, target(OK) as old, target(OK) as ready, balancing.listening() as balancer:
        balancer.set_states(
            {new.port: TargetState.INITIAL, old.port: TargetState.DRAINING, ready.port: TargetState.HEALTHY}
        )
        for _ in range(5):
            await balancer.ask(GET)
        assert [len(each.heads) for each in (new, old, ready)] == [0, 0, 5]


@scenario
async def test_a_target_that_drains_or_leaves_ends_its_requests_but_keeps_no_connection(
    balancing: Balancing,
) -> None:
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
        async with target(wait) as service, balancing.listening(service.port) as balancer:
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
async def test_connections_of_requests_in_flight_are_counted(balancing: Balancing) -> None:
    go_on = asyncio.Event()

    async def wait(_: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(OK)

    async with target(wait) as service, balancing.listening(service.port) as balancer:
        pending = [asyncio.create_task(balancer.ask(GET)) for _ in range(3)]
        await _until_busy(service)
        await asyncio.sleep(0.05)
        address = Target(port=service.port)
        assert balancing.control.connections(address) == 3
        go_on.set()
        await asyncio.gather(*pending)
        while balancing.control.connections(address):
            await asyncio.sleep(0.05)


@scenario
async def test_weights_split_requests_between_target_groups(balancing: Balancing) -> None:
    async with target(OK) as blue, target(OK) as green, target(OK) as off, balancing.listening() as balancer:
        for name, service in (("blue", blue), ("green", green), ("off", off)):
            state = TargetState.HEALTHY
            balancing.control.put_target(name, Target(port=service.port, state=state))
        forward = {"blue": 90, "green": 10, "off": 0}
        balancing.control.put_listener(Listener(port=balancer.port, forward=forward))
        for _ in range(100):
            await balancer.ask(GET)
        assert [len(each.heads) for each in (blue, green, off)] == [90, 10, 0]
