"""What the load balancer changes in requests and responses, and what it leaves alone."""

import asyncio
import gzip

import pytest

from tests.unit.sandbox.event_loop import scenario
from tests.unit.sandbox.load_balancer.harness import OK, lines, load_balancer, target

CLOSE = b"Connection: close\r\n\r\n"


@scenario
async def test_path_and_query_reach_the_target_as_the_client_wrote_them() -> None:
    async with target(OK) as service, load_balancer(service.port) as balancer:
        await balancer.ask(
            b"GET /a%2Fb//c%20d/../%7Ee?q=a+b&r=%26;s=%C3%A9&& HTTP/1.1\r\nHost: x\r\n" + CLOSE
        )
        assert lines(service.heads[0])[0] == b"GET /a%2Fb//c%20d/../%7Ee?q=a+b&r=%26;s=%C3%A9&& HTTP/1.1"


@scenario
async def test_headers_keep_their_case_order_repetition_and_bytes() -> None:
    sent = [b"Host: shop.example:8443", b"X-Many: one", b"cookie: a=1; b=2", b"X-Many: two",
            b"X-Latin: caf\xe9", b"Accept-Encoding: br, gzip"]  # fmt: skip
    answer = [b"HTTP/1.1 201 Made It", b"Set-Cookie: a=1; Path=/", b"X-Trace: 1", b"Set-Cookie: b=2",
              b"Content-Length: 0", b"X-Latin: \xfc"]  # fmt: skip
    async with target(b"\r\n".join(answer) + b"\r\n\r\n") as service, load_balancer(service.port) as balancer:
        got = await balancer.ask(b"\r\n".join([b"GET / HTTP/1.1", *sent]) + b"\r\n" + CLOSE)
        assert lines(service.heads[0])[1 : len(sent) + 1] == sent
        # Nothing is added but that the connection ends.
        assert [line for line in lines(got) if line.lower() != b"connection: close"] == answer


@scenario
async def test_forwarded_headers_are_those_of_an_application_load_balancer() -> None:
    async with target(OK) as service, load_balancer(service.port) as balancer:
        spoofed = b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
        await balancer.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + spoofed + CLOSE)
        head = lines(service.heads[0])
        assert [line for line in head if line.lower().startswith(b"x-forwarded")] == [
            b"X-Forwarded-For: 10.0.0.1, 127.0.0.1",
            b"X-Forwarded-Proto: http",
            b"X-Forwarded-Port: " + str(balancer.port).encode(),
        ]


@scenario
async def test_a_trace_id_is_added_unless_the_client_brings_one() -> None:
    async with target(OK) as service, load_balancer(service.port) as balancer:
        await balancer.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + CLOSE)
        await balancer.ask(b"GET / HTTP/1.1\r\nHost: x\r\nX-Amzn-Trace-Id: Root=1-2-3\r\n" + CLOSE)
        found = [
            [line for line in lines(head) if line.startswith(b"X-Amzn-Trace-Id")] for head in service.heads
        ]
        assert [len(each) for each in found] == [1, 1]
        assert found[0][0].startswith(b"X-Amzn-Trace-Id: Root=1-")
        assert found[1] == [b"X-Amzn-Trace-Id: Root=1-2-3"]


@scenario
async def test_headers_of_one_connection_are_not_passed_on() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    async with target(answer) as service, load_balancer(service.port) as balancer:
        got = await balancer.ask(
            b"GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nX-Yours: 1\r\nConnection: close, X-Yours\r\n\r\n"
        )
        names = {line.partition(b":")[0].lower() for line in lines(service.heads[0])}
        assert not names & {b"connection", b"te", b"x-yours"}
        names = {line.partition(b":")[0].lower() for line in lines(got)}
        assert not names & {b"keep-alive", b"x-mine"}


@scenario
async def test_compressed_bodies_stay_compressed() -> None:
    body = gzip.compress(b"hello " * 1000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with target(head + body) as service, load_balancer(service.port) as balancer:
        got = await balancer.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + CLOSE)
        assert got.partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@scenario
async def test_responses_without_a_body_leave_the_connection_usable(status: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b'\r\nETag: "1"\r\n\r\n'
    async with target(answer) as service, load_balancer(service.port) as balancer:
        reader, writer = await balancer.connect()
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status in await reader.readuntil(b"\r\n\r\n")
        writer.close()


@scenario
async def test_the_length_that_head_would_have_is_sent() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
    async with target(answer) as service, load_balancer(service.port) as balancer:
        reader, writer = await balancer.connect()
        for _ in range(2):
            writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"Content-Length: 1234" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


@scenario
async def test_a_response_arrives_while_the_target_is_still_sending_it() -> None:
    seen = asyncio.Event()

    async def stream(_head: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await seen.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

    async with target(stream) as service, load_balancer(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"first")
        seen.set()
        await reader.readuntil(b"second\r\n0\r\n\r\n")
        writer.close()


@scenario
async def test_a_request_body_arrives_while_the_client_is_still_sending_it() -> None:
    first = asyncio.Event()

    async def collect(_head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first\r\n")
        first.set()
        await reader.readuntil(b"second\r\n0\r\n\r\n")
        writer.write(OK)

    async with target(collect) as service, load_balancer(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await first.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def _echo(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = int(next(line for line in lines(head) if line.startswith(b"Content-Length")).partition(b":")[2])
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
    while size:
        data = await reader.read(65536)
        size -= len(data)
        writer.write(data)
        await writer.drain()


@scenario
async def test_bodies_larger_than_any_buffer_pass_both_ways() -> None:
    body = bytes(range(256)) * 32768
    async with target(_echo) as service, load_balancer(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(f"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(body)) == body
        writer.close()


@scenario
async def test_connections_are_kept_on_both_sides() -> None:
    async with target(OK) as service, load_balancer(service.port) as balancer:
        reader, writer = await balancer.connect()
        for _ in range(5):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
            await reader.readuntil(b"\r\n\r\nok")
        assert (len(service.heads), service.connections) == (5, 1)
        writer.close()


@scenario
async def test_requests_that_are_sent_ahead_are_answered_in_order() -> None:
    async with target(OK) as service, load_balancer(service.port) as balancer:
        got = await balancer.ask(
            b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
            b"GET /3 HTTP/1.1\r\nHost: x\r\n" + CLOSE
        )
        assert got.count(b"200 OK") == 3
        assert [lines(head)[0][5:6] for head in service.heads] == [b"1", b"2", b"3"]


@scenario
async def test_a_client_that_asks_before_it_sends_is_asked_to_go_on() -> None:
    async with target(OK) as service, load_balancer(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"abc")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()


@scenario
async def test_an_old_client_gets_an_unframed_response() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    async with target(answer) as service, load_balancer(service.port) as balancer:
        got = await balancer.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert got.endswith(b"\r\n\r\nok")


@scenario
async def test_websockets_pass_both_ways() -> None:
    async def switch(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"Upgrade: websocket" in lines(head)
        assert b"Connection: Upgrade" in lines(head)
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi"
        )
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.close()

    async with target(switch) as service, load_balancer(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert await reader.readexactly(2) == b"hi"
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


@scenario
async def test_what_is_not_http_gets_400() -> None:
    async with target(OK) as service, load_balancer(service.port) as balancer:
        assert (await balancer.ask(b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert service.heads == []
