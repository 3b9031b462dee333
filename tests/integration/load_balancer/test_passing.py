"""What the load balancer changes in requests and responses, and what it leaves alone."""

import asyncio
import gzip
import ssl
import warnings

import pytest

from tests.integration.load_balancer.harness import OK, Balancing, lines, target
from tests.unit.sandbox.event_loop import scenario

CLOSE = b"Connection: close\r\n\r\n"


@scenario
async def test_path_and_query_reach_the_target_as_the_client_wrote_them(balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening(service.port) as balancer:
        await balancer.ask(b"GET /a%2Fb//c%20d/../e?q=a+b&r=%26&s=%C3%A9&& HTTP/1.1\r\nHost: x\r\n" + CLOSE)
        assert lines(service.heads[0])[0] == b"GET /a%2Fb//c%20d/../e?q=a+b&r=%26&s=%C3%A9&& HTTP/1.1"


@scenario
async def test_headers_keep_their_repetition_and_bytes(balancing: Balancing) -> None:
    sent = [b"Host: shop.example:8443", b"X-Many: one", b"Cookie: a=1; b=2", b"X-Many: two",
            b"X-Latin: caf\xe9", b"Accept-Encoding: br, gzip"]  # fmt: skip
    answer = [b"HTTP/1.1 201 Created", b"Set-Cookie: a=1; Path=/", b"X-Trace: 1", b"Set-Cookie: b=2",
              b"Content-Length: 0", b"X-Latin: \xfc"]  # fmt: skip
    async with (
        target(b"\r\n".join(answer) + b"\r\n\r\n") as service,
        balancing.listening(service.port) as balancer,
    ):
        got = await balancer.ask(b"\r\n".join([b"GET / HTTP/1.1", *sent]) + b"\r\n" + CLOSE)
        # In what order does not matter, but that of repeated ones does.
        heads = [line for line in lines(service.heads[0])[1:] if not line.startswith(b"X-Forwarded")]
        assert sorted(heads) == sorted(sent)
        assert heads.index(b"X-Many: one") < heads.index(b"X-Many: two")
        added = [line for line in lines(got) if not line.startswith((b"Connection", b"Date"))]
        assert sorted(added) == sorted(answer)
        assert added.index(answer[1]) < added.index(answer[3])


@scenario
async def test_forwarded_headers_are_those_of_an_application_load_balancer(balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening(service.port) as balancer:
        spoofed = b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
        spoofed += b"X-Forwarded-Host: evil.example\r\n"
        await balancer.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + spoofed + CLOSE)
        head = lines(service.heads[0])
        assert [line for line in head if line.lower().startswith(b"x-forwarded")] == [
            b"X-Forwarded-For: 10.0.0.1, 127.0.0.1",
            b"X-Forwarded-Port: " + str(balancer.port).encode(),
            b"X-Forwarded-Proto: http",
        ]


@scenario
async def test_headers_of_one_connection_are_not_passed_on(balancing: Balancing) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    async with target(answer) as service, balancing.listening(service.port) as balancer:
        got = await balancer.ask(
            b"GET / HTTP/1.1\r\nHost: x\r\nX-Yours: 1\r\nConnection: close, X-Yours\r\n\r\n"
        )
        names = {line.partition(b":")[0].lower() for line in lines(service.heads[0])}
        assert not names & {b"connection", b"x-yours"}
        names = {line.partition(b":")[0].lower() for line in lines(got)}
        assert not names & {b"keep-alive", b"x-mine"}


@scenario
async def test_compressed_bodies_stay_compressed(balancing: Balancing) -> None:
    body = gzip.compress(b"hello " * 1000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with target(head + body) as service, balancing.listening(service.port) as balancer:
        got = await balancer.ask(b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n" + CLOSE)
        assert got.partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@scenario
async def test_responses_without_a_body_leave_the_connection_usable(
    status: bytes, balancing: Balancing
) -> None:
    answer = b"HTTP/1.1 " + status + b'\r\nETag: "1"\r\n\r\n'
    async with target(answer) as service, balancing.listening(service.port) as balancer:
        reader, writer = await balancer.connect()
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status in await reader.readuntil(b"\r\n\r\n")
        writer.close()


@scenario
async def test_the_length_that_head_would_have_is_sent(balancing: Balancing) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
    async with target(answer) as service, balancing.listening(service.port) as balancer:
        reader, writer = await balancer.connect()
        for _ in range(2):
            writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"Content-Length: 1234" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


@scenario
async def test_a_response_arrives_while_the_target_is_still_sending_it(balancing: Balancing) -> None:
    seen = asyncio.Event()

    async def stream(_head: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await seen.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

    async with target(stream) as service, balancing.listening(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"first")
        seen.set()
        await reader.readuntil(b"second\r\n0\r\n\r\n")
        writer.close()


@scenario
async def test_a_request_body_arrives_while_the_client_is_still_sending_it(balancing: Balancing) -> None:
    first = asyncio.Event()

    async def collect(_head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first\r\n")
        first.set()
        await reader.readuntil(b"second\r\n0\r\n\r\n")
        writer.write(OK)

    async with target(collect) as service, balancing.listening(service.port) as balancer:
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
async def test_bodies_larger_than_any_buffer_pass_both_ways(balancing: Balancing) -> None:
    body = bytes(range(256)) * 32768
    async with target(_echo) as service, balancing.listening(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(f"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(body)) == body
        writer.close()


@scenario
async def test_connections_are_kept_on_both_sides(balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening(service.port) as balancer:
        reader, writer = await balancer.connect()
        for _ in range(5):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
            await reader.readuntil(b"\r\n\r\nok")
        assert (len(service.heads), service.connections) == (5, 1)
        writer.close()


@scenario
async def test_requests_that_are_sent_ahead_are_answered_in_order(balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening(service.port) as balancer:
        got = await balancer.ask(
            b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
            b"GET /3 HTTP/1.1\r\nHost: x\r\n" + CLOSE
        )
        assert got.count(b"200 OK") == 3
        assert [lines(head)[0][5:6] for head in service.heads] == [b"1", b"2", b"3"]


@scenario
async def test_a_client_that_asks_before_it_sends_is_asked_to_go_on(balancing: Balancing) -> None:
    async def ask(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(3)
        writer.write(OK)

    async with target(ask) as service, balancing.listening(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"abc")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()


@scenario
async def test_an_old_client_gets_an_unframed_response(balancing: Balancing) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    async with target(answer) as service, balancing.listening(service.port) as balancer:
        got = await balancer.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert got.endswith(b"\r\n\r\nok")


@scenario
async def test_websockets_pass_both_ways(balancing: Balancing) -> None:
    async def switch(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"Upgrade: websocket" in lines(head)
        assert b"Connection: Upgrade" in lines(head)
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi"
        )
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.close()

    async with target(switch) as service, balancing.listening(service.port) as balancer:
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
async def test_what_is_not_http_gets_400(balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening(service.port) as balancer:
        assert (await balancer.ask(b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert service.heads == []


@pytest.mark.parametrize(
    "odd",
    [
        b"Host",
        b"X-Forwarded-For",
        b"X-Forwarded-Proto, close",
        b"Content-Length",
        b"Transfer-Encoding",
        b"@!,,;",
        b",",
    ],
)
@scenario
async def test_no_header_that_connection_names_costs_a_request(odd: bytes, balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening(service.port) as balancer:
        reader, writer = await balancer.connect()
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: " + odd + b"\r\n\r\nabc"
        )
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()
        head = lines(service.heads[0])
        assert {b"Host: x", b"Content-Length: 3", b"X-Forwarded-Proto: http"} < set(head)
        assert b"X-Forwarded-For: 127.0.0.1" in head


@scenario
async def test_headers_of_more_than_64_kb_are_refused(balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening(service.port) as balancer:
        for size, status in ((60_000, b"200"), (66_000, b"431")):
            got = await balancer.ask(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * size + b"\r\n" + CLOSE)
            assert got.startswith(b"HTTP/1.1 " + status)


@scenario
async def test_a_header_that_cgi_takes_for_another_is_dropped(balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening(service.port) as balancer:
        await balancer.ask(b"GET / HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 1.2.3.4\r\n" + CLOSE)
        assert b"1.2.3.4" not in service.heads[0]


@pytest.mark.parametrize(
    "part",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nslow",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n",
    ],
)
@scenario
async def test_a_client_that_does_not_go_on_is_given_up(part: bytes, balancing: Balancing) -> None:
    async def collect(_: bytes, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with target(collect) as service, balancing.listening(service.port) as balancer:
        # A second here, a minute in a sandbox.
        got = await asyncio.wait_for(balancer.ask(part), 4)
        assert b" 200 " not in got


@scenario
async def test_https_has_the_certificate_of_the_sandbox_and_no_old_protocol(balancing: Balancing) -> None:
    async with target(OK) as service, balancing.listening(service.port, secure=True) as balancer:
        trusting = balancing.authority.client_context()
        reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port, ssl=trusting)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + CLOSE)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        assert b"X-Forwarded-Proto: https" in lines(service.heads[0])
        old = balancing.authority.client_context()
        with warnings.catch_warnings(action="ignore"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection("127.0.0.1", balancer.port, ssl=old)
        assert b" 200 " not in await balancer.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + CLOSE)
