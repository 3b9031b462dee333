"""What clients see of failing targets: nothing, where a request can go to another one without any risk."""

import asyncio
import socket
import struct
import time

import pytest

from sandbox.load_balancer.config import TargetState
from tests.unit.sandbox.event_loop import scenario
from tests.unit.sandbox.load_balancer.harness import (
    OK,
    content_length,
    load_balancer,
    socket_target,
    target,
    unused_port,
)

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
LARGE_POST = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n" + b"a" * 9000


def close_having_read(connection: socket.socket) -> None:
    """Behave like a program that dies while it works on a request."""
    connection.recv(65536)


def close_unread(connection: socket.socket) -> None:
    """Behave like a server that closes its connections without looking at what has just come."""
    time.sleep(0.05)
    connection.close()


def refuse(connection: socket.socket) -> None:
    """Break the connection off with a reset, as the kernel does for what was never accepted."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("request_", [GET, POST, LARGE_POST])
@scenario
async def test_any_request_goes_elsewhere_when_there_is_no_connection(request_: bytes) -> None:
    async with target(OK) as service, load_balancer(unused_port(), service.port) as balancer:
        for _ in range(4):
            assert (await balancer.ask(request_)).startswith(b"HTTP/1.1 200")
        assert len(service.heads) == 4


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"])
@scenario
async def test_an_idempotent_request_goes_elsewhere_when_the_target_dies(method: bytes) -> None:
    with socket_target(close_having_read) as dying:
        async with target(NO_CONTENT) as service, load_balancer(dying, service.port) as balancer:
            for _ in range(3):
                assert (await balancer.ask(GET.replace(b"GET", method))).startswith(b"HTTP/1.1 204")
            assert len(service.heads) == 3


@pytest.mark.parametrize(("request_", "status"), [(GET, b"200"), (POST, b"502")])
@scenario
async def test_a_short_answer_that_breaks_off_was_no_answer(request_: bytes, status: bytes) -> None:
    def answer_by_half(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")

    with socket_target(answer_by_half) as dying:
        async with target(OK) as service, load_balancer(dying, service.port) as balancer:
            assert (await balancer.ask(request_)).startswith(b"HTTP/1.1 " + status)
            assert len(service.heads) == (status == b"200")


@scenario
async def test_a_request_that_may_have_been_obeyed_is_not_sent_twice() -> None:
    with socket_target(close_having_read) as dying:
        async with target(OK) as service, load_balancer(dying, service.port) as balancer:
            assert (await balancer.ask(POST)).startswith(b"HTTP/1.1 502")
            assert service.heads == []


@pytest.mark.parametrize("behave", [close_unread, refuse])
@scenario
async def test_any_small_request_goes_elsewhere_when_the_target_never_read_it(behave: object) -> None:
    assert callable(behave)
    with socket_target(behave) as refusing:
        async with target(OK) as service, load_balancer(refusing, service.port) as balancer:
            assert (await balancer.ask(POST)).startswith(b"HTTP/1.1 200")
            assert len(service.heads) == 1


@scenario
async def test_a_large_request_is_not_sent_twice_because_a_part_may_have_been_read() -> None:
    with socket_target(close_unread) as refusing:
        async with target(OK) as service, load_balancer(refusing, service.port) as balancer:
            assert (await balancer.ask(LARGE_POST)).startswith(b"HTTP/1.1 502")
            assert service.heads == []


@scenario
async def test_a_connection_that_the_target_closed_for_idleness_costs_no_request() -> None:
    async def answer_once(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with target(answer_once) as service, load_balancer(service.port) as balancer:
        for _ in range(5):
            assert (await balancer.ask(POST)).startswith(b"HTTP/1.1 200")
        assert (len(service.heads), service.connections) == (5, 5)


@scenario
async def test_a_request_that_cannot_be_repeated_gets_a_connection_of_its_own() -> None:
    def answer_once(connection: socket.socket) -> None:
        request = connection.recv(65536)
        while len(request) < content_length(request):
            request += connection.recv(65536)
        connection.sendall(OK)
        time.sleep(0.1)  # idle, and about to be closed by a server that has read nothing more

    with socket_target(answer_once) as service:
        async with load_balancer(service) as balancer:
            for _ in range(3):
                assert (await balancer.ask(LARGE_POST)).startswith(b"HTTP/1.1 200")


@scenario
async def test_a_response_that_breaks_off_breaks_the_clients_connection() -> None:
    async def half(_: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await writer.drain()
        writer.close()

    async with target(half) as service, load_balancer(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(GET)
        await reader.readuntil(b"half")
        with pytest.raises(ConnectionResetError):  # the end of a chunked body would look like success
            await asyncio.wait_for(reader.read(), 5)
        assert len(service.heads) == 1
        writer.close()


@scenario
async def test_a_target_that_says_nothing_is_given_up_and_the_request_not_repeated() -> None:
    async def silent(_: bytes, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with (
        target(silent) as first,
        target(silent) as second,
        load_balancer(first.port, second.port, idle_timeout=0.2) as balancer,
    ):
        assert (await balancer.ask(GET)).startswith(b"HTTP/1.1 504 Gateway Timeout")
        assert len(first.heads) + len(second.heads) == 1


@scenario
async def test_a_target_that_does_not_speak_http_is_a_bad_gateway() -> None:
    async with target(b"SSH-2.0-OpenSSH\r\n\r\n") as service, load_balancer(service.port) as balancer:
        assert (await balancer.ask(POST)).startswith(b"HTTP/1.1 502 Bad Gateway")


@scenario
async def test_errors_of_the_load_balancer_look_like_those_of_aws() -> None:
    async with load_balancer() as balancer:
        head, _, body = (await balancer.ask(GET)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\nServer: awselb/2.0\r\n")
        assert b"503 Service Unavailable" in body
        reader, writer = await balancer.connect()
        for _ in range(2):  # the connection survives
            writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"503" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


@scenario
async def test_a_target_that_failed_is_the_last_choice_for_a_moment() -> None:
    with socket_target(close_having_read) as dying:
        async with target(OK) as service, load_balancer(dying, service.port) as balancer:
            await balancer.ask(GET)
            answers = [await balancer.ask(POST) for _ in range(10)]
            assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


@scenario
async def test_failing_health_checks_take_a_target_out_unless_all_fail() -> None:
    async with target(OK) as first, target(OK) as second, load_balancer() as balancer:
        balancer.set_states({first.port: TargetState.UNHEALTHY, second.port: TargetState.HEALTHY})
        for _ in range(4):
            await balancer.ask(GET)
        assert (len(first.heads), len(second.heads)) == (0, 4)
        balancer.set_states({first.port: TargetState.UNHEALTHY, second.port: TargetState.UNHEALTHY})
        for _ in range(4):
            await balancer.ask(GET)
        assert (len(first.heads), len(second.heads)) == (2, 6)
