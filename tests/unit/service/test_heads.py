"""What the HTTP parser refuses is answered like every other error."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from taskboard import heads
from taskboard.application import create_app
from taskboard.board import Board
from taskboard.settings import Settings

GOOD = b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n"
POST = b"POST /api/v1/sign-in HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
_PATIENCE = 1.0


@pytest.fixture
def address(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(heads, "HEAD_TIMEOUT", _PATIENCE)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(settings, Board()), http=heads.BoundedHeads, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=[[listener]])
    thread.start()
    yield listener.getsockname()
    server.should_exit = True
    thread.join()


def connect(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address, timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def answers(connection: socket.socket) -> list[tuple[int, dict[str, str], Any]]:
    """Read to the end of the connection."""
    raw = b""
    while data := connection.recv(65536):
        raw += data
    found = []
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        found.append((int(status.split()[1]), headers, json.loads(raw[:length])))
        raw = raw[length:]
    return found


def answers_to(address: tuple[str, int], *packets: bytes) -> list[tuple[int, dict[str, str], Any]]:
    with connect(address) as connection:
        for packet in packets:
            connection.sendall(packet)
            # Another packet than the next one.
            time.sleep(0.02)
        return answers(connection)


def assert_refused(answer: tuple[int, dict[str, str], Any], status: int, code: str) -> None:
    assert answer[0] == status
    _, headers, body = answer
    assert body["error"]["code"] == code
    assert body["error"]["request_id"] == headers["x-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["connection"] == "close"


@pytest.mark.parametrize(
    "packets",
    [
        (b"NONSENSE\r\n\r\n",),
        (b"FOO /healthz HTTP/1.1\r\nhost: test\r\n\r\n",),
        (b"GET /\xff HTTP/1.1\r\nhost: test\r\n\r\n",),
        (b"GET http://[ HTTP/1.1\r\nhost: test\r\n\r\n",),
        (b"GET /healthz HTTP/1.1\r\nho st: test\r\n\r\n",),
        (POST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",),
        (b"GET /healthz HTTP/1.1\r\nhost: te", b"st\x00\r\n\r\n"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",),  # TLS
    ],
)
def test_what_is_no_http_has_the_one_shape(address: tuple[str, int], packets: tuple[bytes, ...]) -> None:
    (answer,) = answers_to(address, *packets)
    assert_refused(answer, 400, "bad_request")


def test_head_may_have_what_a_load_balancer_lets_through_and_no_more(address: tuple[str, int]) -> None:
    def head(size: int) -> bytes:
        start = b"GET /healthz HTTP/1.1\r\nconnection: close\r\nx: "
        return start + b"a" * (size - len(start)) + b"\r\n\r\n"

    (answer,) = answers_to(address, head(65 * 1024))
    assert answer[0] == 200
    for packets in [
        (head(heads.MAX_HEAD + 1),),
        (head(heads.MAX_HEAD + 1)[:50_000], b"b" * 50_000),
        (b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 200_000,),
    ]:
        (answer,) = answers_to(address, *packets)
        assert_refused(answer, 431, "headers_too_large")


def test_head_that_does_not_end_in_time_is_refused(address: tuple[str, int]) -> None:
    with connect(address) as slow, connect(address) as stalled:
        stalled.sendall(GOOD[:-2])
        (answer,) = answers(stalled)
        assert_refused(answer, 408, "request_timeout")
        slow.settimeout(_PATIENCE / 5)
        for byte in GOOD[:30]:  # each in time, all together not
            slow.sendall(bytes([byte]))
            with suppress(TimeoutError):
                assert slow.recv(65536).startswith(b"HTTP/1.1 408 ")
                return
    pytest.fail("the head was never too slow")


# A request, and the beginning of the next one's head in the same packet.
FOLLOWED = POST + b"content-length: 2\r\n\r\n{}" + GOOD[:-2]


def test_head_that_follows_a_request_in_one_packet_has_the_same_size(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        connection.sendall(FOLLOWED)
        with suppress(OSError):  # reset, or shut
            for _ in range(heads.MAX_HEAD // 6 // 100 + 10):
                connection.sendall(b"a: b\r\n" * 100)
                time.sleep(0.001)
            connection.sendall(b"connection: close\r\n\r\n")
            assert len(answers(connection)) < 2


def test_head_that_follows_a_request_in_one_packet_has_the_same_time(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        connection.settimeout(_PATIENCE * 3)
        connection.sendall(FOLLOWED)
        assert len(answers(connection)) == 1


def test_connection_that_served_may_be_refused(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        for _ in range(2):
            connection.sendall(GOOD)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"NONSENSE\r\n\r\n")
        (answer,) = answers(connection)
    assert_refused(answer, 400, "bad_request")


def test_requests_in_one_packet_and_heads_in_several_are_answered(address: tuple[str, int]) -> None:
    last = GOOD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    assert [status for status, *_ in answers_to(address, GOOD + GOOD + last)] == [200, 200, 200]
    assert [status for status, *_ in answers_to(address, GOOD + last[:30], last[30:])] == [200, 200]
    pieces = (last[:1], last[1:20], last[20:-1], last[-1:])
    assert [status for status, *_ in answers_to(address, *pieces)] == [200]


def test_body_may_be_slower_than_a_head(address: tuple[str, int]) -> None:
    body = b'{"email": 1}'
    with connect(address) as connection:
        connection.sendall(POST + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        time.sleep(_PATIENCE * 1.5)
        connection.sendall(body)
        assert answers(connection)[0][0] >= 422  # the cache that counts sign-ins is out of reach


@pytest.mark.parametrize("broken", [b"zz\r\n", b"1\r\nabc"])
def test_body_that_is_not_framed_as_its_head_says_ends_the_connection(
    address: tuple[str, int], broken: bytes
) -> None:
    assert answers_to(address, POST + b"transfer-encoding: chunked\r\n\r\n", broken) == []


def test_client_cannot_ask_for_a_refusal(address: tuple[str, int]) -> None:
    path = heads._REFUSED
    assert len(path) > 32
    assert answers_to(address, b"GET /x/431 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")[0][0] == 404


TRAILED = (
    POST.replace(b"host: test", b"host: test\r\ntransfer-encoding: chunked"),
    b"\r\n2\r\n{}\r\n0\r\nx-forwarded-for: 192.0.2.1\r\ncookie: session=x\r\n\r\n",
)


def test_fields_after_a_body_are_refused(address: tuple[str, int]) -> None:
    """They would count as headers, and so as the client's address and cookie."""
    (refused,) = answers_to(address, b"".join(TRAILED))
    assert_refused(refused, 400, "bad_request")


def test_fields_after_a_body_that_comes_later_end_the_connection(address: tuple[str, int]) -> None:
    head, _, rest = b"".join(TRAILED).partition(b"\r\n2\r\n")
    assert answers_to(address, head + b"\r\n", b"2\r\n" + rest) == []
