"""What AWS WAF's managed rules refuse, at the local load balancer."""

import pytest

from tests.integration.load_balancer.harness import OK, Balancing, Listening, target
from tests.unit.sandbox.event_loop import scenario

AGENT = b"Host: x\r\nUser-Agent: test\r\n"
LARGE = b"Content-Length: 8193\r\n" + b"\r\n" + b"a" * 8193


async def status_line(balancer: Listening, request: bytes) -> bytes:
    reader, writer = await balancer.connect()
    writer.write(request)
    line = await reader.readline()
    writer.close()
    return line


@pytest.mark.parametrize(
    ("rule", "refused", "passed", "status"),
    [
        (
            "NoUserAgent_HEADER",
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"\r\n",
            b"GET / HTTP/1.1\r\n" + AGENT + b"\r\n",
            403,
        ),
        (
            "SizeRestrictions_URIPATH",
            b"GET /" + b"a" * 1024 + b" HTTP/1.1\r\n" + AGENT + b"\r\n",
            b"GET /" + b"a" * 1023 + b" HTTP/1.1\r\n" + AGENT + b"\r\n",
            403,
        ),
        (
            "SizeRestrictions_Cookie_HEADER",
            b"GET / HTTP/1.1\r\nCookie: " + b"a" * 10241 + b"\r\n" + AGENT + b"\r\n",
            b"GET / HTTP/1.1\r\nCookie: " + b"a" * 10240 + b"\r\n" + AGENT + b"\r\n",
            403,
        ),
        (
            "SizeRestrictions_BODY",
            b"POST / HTTP/1.1\r\n" + AGENT + LARGE,
            b"POST / HTTP/1.1\r\n" + AGENT + LARGE.replace(b"8193", b"8192")[:-1],
            413,
        ),
    ],
)
@scenario
async def test_a_rule_refuses_only_where_it_blocks(
    rule: str, refused: bytes, passed: bytes, status: int, balancing: Balancing
) -> None:
    async with target(OK) as service:
        async with balancing.listening(service.port, refusing=(rule,)) as balancer:
            assert (await status_line(balancer, refused)).startswith(f"HTTP/1.1 {status} ".encode())
            assert service.heads == []
            assert (await status_line(balancer, passed)).startswith(b"HTTP/1.1 200 ")
        async with balancing.listening(service.port) as balancer:
            assert (await status_line(balancer, refused)).startswith(b"HTTP/1.1 200 ")
