"""Small parts: pages of a list, quotas, log lines, the order of migrations."""

import json
import logging
import sys
from datetime import UTC, datetime, timedelta, timezone
from http import HTTPStatus
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from taskboard import logs
from taskboard.errors import ApiError
from taskboard.fields import Email, Line
from taskboard.guessable import is_guessable
from taskboard.migrate import MigrationError, load
from taskboard.pagination import Item, PageRequest, Position
from taskboard.rate_limits import Quota

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])


@given(st.datetimes(min_value=datetime(1, 1, 2), timezones=ZONES), st.uuids())  # noqa: DTZ001 - a bound
def test_a_cursor_leads_back_to_its_place(created_at: datetime, item_id: UUID) -> None:
    position = Position(created_at, item_id)
    assert Position.decode(position.encode()) == position


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each library that reads a part words it differently
        Position.decode(text)


@pytest.mark.parametrize(("count", "shown", "more"), [(0, 0, False), (2, 2, False), (3, 2, True)])
def test_a_page_says_whether_another_follows(count: int, shown: int, more: bool) -> None:
    items = [Item(id=uuid4(), created_at=datetime.now(UTC)) for _ in range(count)]
    page = PageRequest(after=Position(datetime.now(UTC), uuid4()), limit=2).page(items)
    assert page.items == items[:shown]
    assert (page.next_cursor is not None) is more


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaaaaa", "passwordpassword", "iloveyou-iloveyou", "abcabcabcabcabc", "Password12345678",
        "123456789012345", "9876543210987654", "123456789987654321", "111222333444555", "abcdefghijklmnop",
        "qwertyuiopasdfgh", "qwertyuiop12345", "123456789qwerty", "1qaz2wsx3edc4rfv", "zaq1xsw2cde3vfr4",
        "1q2w3e4r5t6y7u8i", "TaskBoard TaskBoard", "ada.lovelace@example.com", "Ada.Lovelace-2026",
        "lovelacelovelace1",
    ],
)  # fmt: skip
def test_what_an_attacker_would_try_first_is_guessable(password: str) -> None:
    assert is_guessable(password, "Ada.Lovelace@example.com")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "my dog likes red apples",
        "Ada likes 3 apples",
        "тихая вода течёт",
        "八百万の神々は今日も静かに眠って",
    ],
)
def test_words_that_are_unrelated_are_not_guessable(password: str) -> None:
    assert not is_guessable(password, "Ada.Lovelace@example.com")


@given(st.text(max_size=300), st.text(max_size=50))
def test_guessing_fails_on_no_text(password: str, email: str) -> None:
    is_guessable(password, email)


def test_a_quota_is_used_up_by_the_request_after_the_last_allowed_one() -> None:
    Quota(limit=3, used=3, reset=10).enforce()
    with pytest.raises(ApiError) as refused:
        Quota(limit=3, used=4, reset=10).enforce()
    assert refused.value.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert refused.value.headers == {"retry-after": "10"}
    assert Quota(limit=3, used=9, reset=10).headers["x-ratelimit-remaining"] == "0"


def test_a_log_record_is_one_line_of_json_with_its_fields_and_exception() -> None:
    try:
        int("broken\nover two lines")
    except ValueError:
        record = logging.LogRecord("name", logging.ERROR, "", 1, "said %s", ("é\n",), sys.exc_info())
    record.part = "database"
    token = logs.request_id.set("request-1")
    try:
        written = logs.JsonFormatter().format(record)
    finally:
        logs.request_id.reset(token)
    assert "\n" not in written
    line = json.loads(written)
    assert (line["message"], line["part"], line["request_id"]) == ("said é\n", "database", "request-1")
    assert "ValueError: invalid literal" in line["exception"]
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


HOSTILE = "\x9b2J\u202e\u2028\u2029\x85\u200b\ud800"


def test_a_log_line_has_nothing_that_a_terminal_obeys() -> None:
    record = logging.LogRecord("name", logging.INFO, "", 1, "GET /é😀%s", (HOSTILE,), None)
    written = logs.JsonFormatter().format(record)
    assert written.isprintable()
    assert "é😀" in written
    assert json.loads(written)["message"] == f"GET /é😀{HOSTILE}"


@pytest.mark.parametrize(
    "text",
    [
        "\u200b",
        "\u2060 \ufeff",
        "\u3164",
        "\u2800",
        "\u034f",
        "a\u202eb",
        "\u2066a\u2069",
        "a\x9bb",
        "a\u2028b",
        "a\x85b",
    ],
)
def test_names_that_hide_something_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Line).validate_python(text)


@pytest.mark.parametrize(
    "text",
    ["café", "👩\u200d💻", "می\u200cخواهم", "שלום world", "日本\u3000語"],  # noqa: RUF001 - Persian
)
def test_names_of_people_who_write_otherwise_are_kept(text: str) -> None:
    assert TypeAdapter(Line).validate_python(text) == text


@pytest.mark.parametrize("text", ["x@y.z\u200b", "x\u00ad@y.z", "x@y.z\u202e", "x y@z.z"])
def test_addresses_that_look_like_others_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Email).validate_python(text)


def test_shipped_migrations_are_in_order() -> None:
    assert [migration.version for migration in load()] == list(range(1, len(load()) + 1))


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a.sql", "0003_c.sql"], "numbered"),
        (["0001_a.sql", "0001_b.sql"], "numbered"),
        (["0002_b.sql"], "numbered"),
        (["0001_a.sql", "2_b.sql"], "2_b.sql"),
    ],
)
def test_gaps_and_doubles_among_migrations_are_refused(
    tmp_path: Path, names: list[str], complaint: str
) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationError, match=complaint):
        load(tmp_path)
