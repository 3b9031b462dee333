"""Whatever a settings file holds, it is read as settings or refused with one message."""

import datetime as dt
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.settings import CONFIG_DIR, SettingsError, is_pipeline, load_pipeline, load_settings

KINDS = ["prod", "pipeline"]
DOCUMENTS = {name: tomllib.loads((CONFIG_DIR / f"{name}.toml").read_text("utf-8")) for name in KINDS}
# Python reads a hexadecimal number of any length, and refuses to write it as a decimal one.
HUGE = object()
some = settings(deadline=None, max_examples=40)

scalars = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.integers(),
    st.just(HUGE),
    st.floats(),
    st.booleans(),
    st.datetimes(timezones=st.none() | st.just(dt.UTC)),
    st.dates(),
    st.times(),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.-", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(document: object, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every table and value in a document."""
    if not isinstance(document, dict):
        return [above]
    return [above, *(path for key, value in document.items() for path in paths(value, (*above, key)))]


def written(value: object) -> str:
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)} = {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if value is HUGE:
        return "0x" + "f" * 5000
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def replaced(document: dict[str, object], path: tuple[str, ...], value: object) -> dict[str, object]:
    """Return a document with another value at a path."""
    name, *rest = path
    inner = document.get(name)
    new = replaced(inner, tuple(rest), value) if rest and isinstance(inner, dict) else value
    return document | {name: new}


def load(folder: Path, content: bytes) -> str:
    """Load a file as every command may, and return what it is refused with."""
    (folder / "mine.toml").write_bytes(content)
    said = ""
    attempts: list[Callable[[], object]] = [
        lambda: load_settings("mine", config_dir=folder, environ={}),
        lambda: load_pipeline("mine", config_dir=folder),
        lambda: is_pipeline("mine", config_dir=folder),
    ]
    for attempt in attempts:
        try:
            attempt()
        except SettingsError as error:
            said = said or str(error)
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


@some
@given(content=st.binary(max_size=200))
def test_any_bytes(folder: Path, content: bytes) -> None:
    load(folder, content)


@some
@given(document=st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_any_document(folder: Path, document: dict[str, object]) -> None:
    content = "\n".join(f"{written(key)} = {written(value)}" for key, value in document.items())
    load(folder, content.encode(errors="replace"))


@pytest.mark.parametrize("name", KINDS)
@some
@given(data=st.data())
def test_any_value_in_a_file_that_is_valid_otherwise(folder: Path, name: str, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(DOCUMENTS[name])[1:]))
    document = replaced(DOCUMENTS[name], path, data.draw(values))
    content = "\n".join(f"{written(key)} = {written(value)}" for key, value in document.items())
    assert tomllib.loads(content)
    load(folder, content.encode())


@some
@given(
    key=st.sampled_from([".".join(path) for path in paths(DOCUMENTS["prod"])[1:]]) | st.text(max_size=8),
    value=st.text(max_size=10) | values.map(written) | values.filter(lambda value: value is not HUGE),
)
def test_any_override(key: str, value: object) -> None:
    try:
        load_settings("prod", overrides={key: value}, environ={})
    except SettingsError as error:
        assert str(error)  # noqa: PT017 - every other exception fails the test
