"""What clients see of failing targets: nothing, where a request can go to another one without any risk."""

import asyncio
import socket

import pytest

from sandbox.load_balancer.config import TargetState
from sandbox.ports import any_free
from tests.integration.load_balancer.harness import (
    OK,
    Balancing,
    socket_target,
    target,
)
from tests.unit.sandbox.event_loop import scenario

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
LARGE_POST = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n" + b"a" * 9000


def close_having_read(connection: socket.socket) -> None:
    """Behave like a program that dies while it works on a request."""
    connection.recv(65536)


@pytest.mark.parametrize("request_", [GET, POST, LARGE_POST])
@scenario
async def test_any_request_goes_elsewhere_when_there_is_no_connection(
    request_: bytes, balancing: Balancing
) -> None:
    async with target(OK) as service, balancing.listening(any_free(), service.port) as balancer:
        for _ in range(4):
            assert (await balancer.ask(request_)).startswith(b"HTTP/1.1 200")
        assert len(service.heads) == 4


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"])
@scenario
async def test_an_idempotent_request_goes_elsewhere_when_the_target_dies(
    method: bytes, balancing: Balancing
) -> None:
    with socket_target(close_having_read) as dying:
        async with target(NO_CONTENT) as service, balancing.listening(dying, service.port) as balancer:
            for _ in range(3):
                assert (await balancer.ask(GET.replace(b"GET", method))).startswith(b"HTTP/1.1 204")
            assert len(service.heads) == 3


@scenario
async def test_a_request_that_may_have_been_obeyed_is_not_sent_twice(balancing: Balancing) -> None:
    with socket_target(close_having_read) as dying:
        async with target(OK) as service, balancing.listening(dying, service.port) as balancer:
            answers = [await balancer.ask(POST) for _ in range(6)]
            assert sorted(answer[9:12] for answer in answers) == [b"200"] * 3 + [b"502"] * 3
            assert len(service.heads) == 3


@scenario
async def test_a_connection_that_the_target_closed_costs_no_read(balancing: Balancing) -> None:
    async def answer_once(_: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with target(answer_once) as service, balancing.listening(service.port) as balancer:
        for _ in range(5):
            assert (await balancer.ask(GET)).startswith(b"HTTP/1.1 200")


@scenario
async def test_a_response_that_breaks_off_breaks_the_clients_connection(balancing: Balancing) -> None:
    async def half(_: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await writer.drain()
        writer.close()

    async with target(half) as service, balancing.listening(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(GET)
        await reader.readuntil(b"half")
        # The end of a chunked body would look like success.
        assert b"0\r\n\r\n" not in await asyncio.wait_for(reader.read(), 5)
        assert len(service.heads) == 1
        writer.close()


@scenario
async def test_a_target_that_says_nothing_is_given_up_and_the_request_not_repeated(
    balancing: Balancing,
) -> None:
    async def silent(_: bytes, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with (
        target(silent) as first,
        target(silent) as second,
        balancing.listening(first.port, second.port, idle_timeout=0.2) as balancer,
    ):
        assert (await balancer.ask(GET)).startswith(b"HTTP/1.1 504 Gateway Timeout")
        assert len(first.heads) + len(second.heads) == 1


@scenario
async def test_a_target_that_does_not_speak_http_is_an_error(balancing: Balancing) -> None:
    async with target(b"SSH-2.0-OpenSSH\r\n\r\n") as service, balancing.listening(service.port) as balancer:
        assert (await balancer.ask(POST)).startswith(b"HTTP/1.1 500 ")


@scenario
async def test_without_a_target_the_answer_is_503_and_the_connection_survives(balancing: Balancing) -> None:
    async with balancing.listening() as balancer:
        reader, writer = await balancer.connect()
        for _ in range(2):
            writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP/1.1 503 " in await reader.readuntil(b"\r\n\r\n")
        writer.close()


@scenario
async def test_failing_health_checks_take_a_target_out_unless_all_fail(balancing: Balancing) -> None:
    async with target(OK) as first, target(OK) as second, balancing.listening() as balancer:
        balancer.set_states({first.port: TargetState.UNHEALTHY, second.port: TargetState.HEALTHY})
        for _ in range(4):
            await balancer.ask(GET)
        assert (len(first.heads), len(second.heads)) == (0, 4)
        balancer.set_states({first.port: TargetState.UNHEALTHY, second.port: TargetState.UNHEALTHY})
        for _ in range(4):
            await balancer.ask(GET)
        assert (len(first.heads), len(second.heads)) == (2, 6)
