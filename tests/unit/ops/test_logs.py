"""What `./gantry logs` prints of log groups."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract import log_groups
from ops import logs
from ops.console import CliError
from ops.logs import Request, pattern_of
from stacks.settings import load_settings
from tests.aws.answers import Answers, environment
from tests.aws.transport import AwsError

NOW = datetime.now(UTC).replace(microsecond=0)
STREAM = "service/service/a6ab95eb672b4d158399d9138e37ea73"


def event(message: str, at: datetime = NOW, stream: str = STREAM, name: str = "") -> dict[str, Any]:
    return {
        "timestamp": int(at.timestamp() * 1000),
        "message": message,
        "logStreamName": stream,
        "eventId": name or message,
    }


class Groups:
    """Log groups, and what is asked of them."""

    def __init__(self, **events: list[dict[str, Any]]) -> None:
        self.events = {self.name(source): each for source, each in events.items()}
        self.failures: list[AwsError] = []
        self.asked: list[datetime] = []

    @staticmethod
    def name(source: str) -> str:
        known = log_groups.sources("/gantry/prod/", "gantry-prod")
        return known[source.replace("_", "-")].replace("*", "0123")

    def describe(self, log_group_name_prefix: str) -> dict[str, Any]:
        return {"logGroups": [{"logGroupName": name} for name in self.events
                              if name.startswith(log_group_name_prefix)]}  # fmt: skip

    def filter(self, log_group_name: str, start_time: int) -> dict[str, Any]:
        self.asked.append(datetime.fromtimestamp(start_time / 1000, UTC))
        if self.failures:
            raise self.failures.pop()
        return {"events": [e for e in self.events[log_group_name] if e["timestamp"] >= start_time]}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Groups], None]:
    def become(groups: Groups) -> None:
        answers: Answers = {
            "logs": {"describe_log_groups": groups.describe, "filter_log_events": groups.filter}
        }
        connected = environment(load_settings("prod"), answers)
        monkeypatch.setattr(logs, "connect", lambda _name: connected)
        monkeypatch.setattr(logs, "time_of", lambda _answer: NOW)

    return become


def shown(capsys: pytest.CaptureFixture[str], request: Request) -> list[str]:
    logs.show("prod", request)
    return capsys.readouterr().out.splitlines()


HOUR = timedelta(hours=1)


def test_lines_of_several_sources_are_in_order_with_time_and_source(
    connect: Callable[[Groups], None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(
        Groups(
            service=[event("second", NOW - timedelta(seconds=2)), event("fourth", NOW)],
            rotation_database=[
                event(
                    "first\nand more\n",
                    NOW - timedelta(seconds=3),
                    "2026/11/27/[$LATEST]1b8c662332c64e989ab3cdbd583b0a0d",
                ),
                event("third", NOW - timedelta(seconds=1), "x"),
            ],
        )
    )
    found = shown(capsys, Request(sources=("service", "rotation-database"), since=HOUR))
    assert [line.split(" ", 1)[1] for line in found] == [
        "rotation-database 1b8c6623 first",
        "rotation-database 1b8c6623 and more",
        "service a6ab95eb second",
        "rotation-database x third",
        "service a6ab95eb fourth",
    ]
    assert found[-1].split()[0] == f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z"


def test_source_is_read_from_the_time_on_by_the_clock_of_aws(
    connect: Callable[[Groups], None], capsys: pytest.CaptureFixture[str]
) -> None:
    groups = Groups(service=[event("old", NOW - timedelta(hours=2)), event("new")])
    connect(groups)
    assert len(shown(capsys, Request(since=HOUR))) == 1
    assert groups.asked == [NOW - HOUR]


def test_canarys_group_is_found_by_what_its_name_begins_with(
    connect: Callable[[Groups], None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(Groups(canary=[event("ok")]))
    (line,) = shown(capsys, Request(sources=("canary",), since=HOUR))
    assert line.endswith("canary a6ab95eb ok")


def test_pattern_chooses_lines_and_json_keeps_each_message_as_it_is(
    connect: Callable[[Groups], None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(Groups(service=[event("a\tb :smile: [bold]\u202e\x9b\n"), event("other")]))
    (line,) = shown(capsys, Request(since=HOUR, pattern=pattern_of("^a\tb"), as_json=True))
    assert json.loads(line) == {
        "time": f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z",
        "source": "service",
        "group": "/gantry/prod/service",
        "stream": STREAM,
        "message": "a\tb :smile: [bold]\u202e\x9b\n",
    }
    (line,) = shown(capsys, Request(since=HOUR, pattern=pattern_of("b")))
    assert line.endswith("a\tb :smile: [bold]\\u202e\\x9b")


def test_what_a_line_says_cannot_drive_the_terminal(
    connect: Callable[[Groups], None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(Groups(service=[event("\x1b[2J\x9b31m\u202egone", stream="s/\x1b[2J")]))
    (line,) = shown(capsys, Request(since=HOUR))
    assert {"\x1b", "\x9b", "\u202e"}.isdisjoint(line)
    assert line.endswith("\\x1b[2J\\x9b31m\\u202egone")


def test_unknown_source_gets_one_message_with_all_that_there_are(connect: Callable[[Groups], None]) -> None:
    connect(Groups())
    with pytest.raises(CliError, match=r"There is no log servce, db\.") as raised:
        logs.show("prod", Request(sources=("servce", "db", "firewall")))
    remedy = str(raised.value.remedy)
    assert all(source in remedy for source in log_groups.sources("/gantry/prod/", "gantry-prod"))


def test_source_without_a_log_group_here_is_named_with_the_group(connect: Callable[[Groups], None]) -> None:
    connect(Groups(service=[]))
    with pytest.raises(CliError, match=r"prod has no log exec: there is no log group /gantry/prod/exec\."):
        logs.show("prod", Request(sources=("exec",)))


def test_wrong_pattern_is_named() -> None:
    with pytest.raises(CliError, match=r"--grep a\( is no regular expression: missing \)"):
        pattern_of("a(")


def followed(
    groups: Groups,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *steps: Callable[[], object],
    sources: Sequence[str] = ("service",),
) -> tuple[list[str], str]:
    """Return what is printed to stdout and stderr while something happens in each pause."""
    left = list(steps)

    def pause(_seconds: float) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    monkeypatch.setattr("ops.logs.time.sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        logs.show("prod", Request(sources=sources, follow=True, since=HOUR))
    captured = capsys.readouterr()
    assert groups.asked
    return [line.rpartition(" ")[2] for line in captured.out.splitlines()], captured.err


def test_following_prints_each_event_once_also_one_that_comes_late(
    connect: Callable[[Groups], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [event("one", NOW - timedelta(seconds=1))]
    groups = Groups(service=events)
    connect(groups)
    found, _ = followed(
        groups, monkeypatch, capsys,
        lambda: events.append(event("two", NOW)),
        lambda: events.insert(0, event("late", NOW - timedelta(seconds=8))),
        lambda: None,
    )  # fmt: skip
    assert found == ["one", "two", "late"]


def test_following_misses_nothing_of_a_source_that_is_minutes_behind_another(
    connect: Callable[[Groups], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead, behind = [event("service")], [event("flow-1", NOW - timedelta(minutes=5))]
    groups = Groups(service=ahead, flow_logs=behind)
    connect(groups)
    found, _ = followed(
        groups, monkeypatch, capsys,
        lambda: behind.append(event("flow-2", NOW - timedelta(minutes=4))),
        lambda: None,
        sources=("service", "flow-logs"),
    )  # fmt: skip
    assert found == ["flow-1", "service", "flow-2"]


def test_nothing_is_lost_in_silence_when_aws_throttles(connect: Callable[[Groups], None]) -> None:
    groups = Groups(service=[event("one")])
    groups.failures = [AwsError("ThrottlingException", "Rate exceeded")]
    connect(groups)
    with pytest.raises(ClientError, match="ThrottlingException"):
        logs.show("prod", Request(since=HOUR))


def test_following_goes_on_when_aws_throttles_and_ends_when_it_refuses(
    connect: Callable[[Groups], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = Groups(service=[event("one")])
    groups.failures = [AwsError("ThrottlingException", "Rate exceeded")]
    connect(groups)
    found, said = followed(groups, monkeypatch, capsys, lambda: None, lambda: None)
    assert found == ["one"]
    assert "AWS throttles requests" in said
    groups.failures = [AwsError("ExpiredTokenException", "expired")]
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        logs.show("prod", Request(follow=True))
