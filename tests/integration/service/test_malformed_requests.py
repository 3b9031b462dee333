"""What anyone on the internet may send: whatever it is, it is never the service that has failed."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote_from_bytes, urlsplit
from uuid import UUID

import pytest
from fastapi.routing import iter_route_contexts
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Mount

from taskboard.application import create_app
from taskboard.board import Board
from taskboard.settings import Settings
from tests.integration.service.support import Backends, RunningService, ServiceFactory

OTHER_METHODS = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get")
HEADERS = (
    "origin", "host", "cookie", "x-forwarded-for", "x-request-id", "x-amzn-trace-id", "sec-fetch-site",
    "content-type", "accept", "range", "if-none-match", "if-modified-since", "expect", "upgrade",
)  # fmt: skip
QUERIES = ("detailed", "limit", "cursor", "x")

# Half of a surrogate pair, which JSON can write and no encoding can; what PostgreSQL refuses; the invisible.
UNUSABLE = (
    "\ud800", "\udfff@example.com", "\ud800@example.com", "a\x00b@example.com", "\u202e", "", " ", "x" * 3000
)  # fmt: skip
TEXT = st.sampled_from(UNUSABLE) | st.text(st.characters(), max_size=20)
# Without what ends a header line: the rest of the request would be another one.
JUNK = st.binary(max_size=30).map(lambda raw: raw.translate(None, b"\r\n"))
HEADER_VALUES = JUNK | st.sampled_from(
    [
        b"http://[", b"http://[::1", b"http://]:80", b"null", b"", b"[", b"a b", b"\xff", b"session=a.b-c",
        b"session=.", b"application/json; charset=utf-16", b"multipart/form-data", b"bytes=9-1", b"bytes=-,",
        b"100-continue", b"," * 500,
    ]
)  # fmt: skip
SEGMENTS = JUNK.map(lambda raw: quote_from_bytes(raw).encode()) | st.sampled_from(
    [b"", b"%", b"%zz", b"%00", b"%ed%a0%80", b"..", b"%2e%2e%2f", b"a" * 5000, b"\xff", b"true", b"1"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
FIELDS: dict[str, object] = {
    "email": "malformed@example.com",
    "password": "correct horse battery",
    "name": "A name",
    "title": "A title",
    "done": True,
}
DOCUMENTS = st.tuples(st.sampled_from(list(FIELDS)), TEXT | TEXT | JSON).map(
    lambda wrong: FIELDS | {wrong[0]: wrong[1]}
)
BODIES = (DOCUMENTS | DOCUMENTS | JSON).map(lambda document: json.dumps(document).encode()) | st.sampled_from(
    [b"[" * 30_000, b"9" * 5_000, b'"\xff"', b'{"email": "\xed\xa0\x80"}', b"\x00", b"x" * 70_000]
)
PARTS = ("method", "path", "query", "headers", "body")


Operation = tuple[str, str]


@st.composite
def requests(draw: st.DrawFn, operation: Operation) -> bytes:
    """Return a request as it goes over the wire, with one or two parts that are not as they should be."""
    wrong = draw(st.sets(st.sampled_from(PARTS), min_size=1, max_size=2))
    method, path, query = operation[0], operation[1].encode(), b""
    if "method" in wrong:
        method = draw(st.sampled_from(OTHER_METHODS))
    if "path" in wrong:
        path = re.sub(rb"\{[^}]+\}", lambda _: draw(SEGMENTS), path) + draw(
            st.just(b"") | SEGMENTS.map(lambda segment: b"/" + segment)
        )
    if "query" in wrong:
        pairs = draw(st.lists(st.tuples(st.sampled_from(QUERIES), SEGMENTS), min_size=1, max_size=2))
        query = b"?" + b"&".join(name.encode() + b"=" + value for name, value in pairs)
    headers = {"content-type": b"application/json", "host": b"service.example"}
    if "headers" in wrong:
        headers |= draw(st.dictionaries(st.sampled_from(HEADERS), HEADER_VALUES, min_size=1, max_size=2))
    body = draw(BODIES) if "body" in wrong else json.dumps(FIELDS).encode()
    headers |= {"connection": b"close", "content-length": str(len(body)).encode()}
    path = re.sub(rb"\{[^}]+\}", str(UUID(int=1)).encode(), path)
    lines = [b"%s %s%s HTTP/1.1" % (method.encode(), path, query)]
    lines += [b"%s: %s" % (name.encode(), value) for name, value in headers.items()]
    return b"\r\n".join([*lines, b"", body])


def answered(service: RunningService, request: bytes) -> int:
    """Send the bytes as they are; return the status of the answer."""
    address = urlsplit(service.url)
    answer = b""
    # An answer that comes before the whole request was read may be lost with the connection.
    with (
        suppress(ConnectionError),
        socket.create_connection((address.hostname, address.port), timeout=20) as connection,
    ):
        connection.sendall(request)
        answer = connection.recv(65536)
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert match or not answer, answer
    return int(match[1]) if match else 0


@pytest.fixture(scope="module")
def unlimited(services: ServiceFactory, database: str) -> Iterator[RunningService]:
    with services.run(database, SIGN_IN_RATE_LIMIT_PER_MINUTE="1000000") as service:
        yield service


@pytest.fixture
def operations(backends: Backends, database: str) -> list[Operation]:
    """Every method of every route of the application."""
    app = create_app(Settings.read(backends.environment(database)), Board())
    return sorted(
        (method, str(context.path) + ("/{file}" if isinstance(context.original_route, Mount) else ""))
        for context in iter_route_contexts(app.routes)
        for method in context.methods or {"GET"}
    )


def sign_in(service: RunningService, body: str, **headers: str) -> int:
    headers["content-type"] = "application/json"
    with service.client() as client:
        return client.post("/api/v1/sign-in", content=body, headers=headers).status_code


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://]:80", "http://", "null", ""])
def test_origin_that_is_no_address_is_another_site(service: RunningService, origin: str) -> None:
    assert sign_in(service, "{}", origin=origin) == 403


@pytest.mark.parametrize(
    ("email", "password", "status"),
    [
        (r"unknown@example.com", r"\udfff", 422),
        (r"\ud800@example.com", "x", 422),
        (r"unknown\u0000@example.com", "x", 401),
        (r"unknown@example.com", r"\u0000", 401),
        ("a" * 2000, "x", 422),
        ("unknown@example.com", "x" * 2000, 422),
    ],
)
def test_unusable_credentials_do_not_sign_in(
    service: RunningService, email: str, password: str, status: int
) -> None:
    assert sign_in(service, f'{{"email": "{email}", "password": "{password}"}}') == status


def test_no_request_of_a_stranger_is_answered_as_a_failure_of_the_service(
    unlimited: RunningService, operations: list[Operation]
) -> None:
    """A few such answers a minute, to anyone's requests, would roll a deployment back."""
    assert len(operations) >= 18

    def check(operation: Operation) -> None:
        @settings(max_examples=30)
        @given(requests(operation))
        def never_fails(request: bytes) -> None:
            assert answered(unlimited, request) < 500

        never_fails()

    for operation in operations:
        check(operation)
