"""What a load balancer changes in the headers that pass through it, and what it says itself."""

import http
import os
import time
from collections.abc import Iterable
from email.utils import formatdate

import h11

Headers = list[tuple[bytes, bytes]]
_Message = h11.Request | h11.Response | h11.InformationalResponse

# RFC 9110, section 7.6.1, and what was common before it. Expect is answered by the load balancer itself.
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"})
_REPLACED = frozenset({b"x-forwarded-for", b"x-forwarded-port", b"x-forwarded-proto", b"expect"})


def request_headers(request: h11.Request, *, client: str, scheme: str, port: int, target: str) -> Headers:
    """Return the headers of a request as the target gets them.

    Parameters
    ----------
    request
        The request as the client sent it.
    client
        The client's address, appended to X-Forwarded-For as an Application Load Balancer does by default.
    scheme, port
        The listener's.
    target
        The target's address, used as the host, which only HTTP/1.0 allows to be missing.
    """
    passed = _end_to_end(request, without=_REPLACED)
    names = {name for name, _ in request.headers}
    chain = [value for name, value in request.headers if name == b"x-forwarded-for"]
    added: Headers = [
        (b"X-Forwarded-For", b", ".join([*chain, client.encode()])),
        (b"X-Forwarded-Proto", scheme.encode()),
        (b"X-Forwarded-Port", str(port).encode()),
    ]
    if b"host" not in names:
        added.append((b"Host", target.encode()))
    if b"x-amzn-trace-id" not in names:
        added.append((b"X-Amzn-Trace-Id", f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}".encode()))
    return passed + added


def response_headers(response: h11.Response | h11.InformationalResponse, *, close: bool) -> Headers:
    """Return the headers of a response as the client gets them; `close` announces the connection's end."""
    passed = _end_to_end(response)
    return [*passed, (b"Connection", b"close")] if close else passed


def error_page(status: int) -> tuple[h11.Response, h11.Data]:
    """Return head and body of an error that the load balancer itself answers with."""
    reason = http.HTTPStatus(status).phrase
    title = f"{status} {reason}"
    body = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    headers: Headers = [
        (b"Server", b"awselb/2.0"),
        (b"Date", formatdate(usegmt=True).encode()),
        (b"Content-Type", b"text/html"),
        (b"Content-Length", str(len(body)).encode()),
    ]
    return h11.Response(status_code=status, reason=reason, headers=headers), h11.Data(data=body.encode())


def _end_to_end(message: _Message, without: Iterable[bytes] = ()) -> Headers:
    connection = _listed(message, b"connection")
    dropped = _HOP_BY_HOP.union(connection, without)
    # The raw names next to the lower-case ones: a name's case means nothing, but it need not be lost either.
    pairs = zip(message.headers.raw_items(), message.headers, strict=True)
    passed = [raw for raw, (name, _) in pairs if name not in dropped]
    if b"upgrade" in connection and b"websocket" in _listed(message, b"upgrade"):
        passed += [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    return passed


def _listed(message: _Message, wanted: bytes) -> set[bytes]:
    values = b",".join(value for name, value in message.headers if name == wanted)
    return {each.strip().lower() for each in values.split(b",")} - {b""}
