"""The settings as a page of documentation."""

import json
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stacks.settings.environment import Settings
from stacks.settings.model import Lasting
from stacks.settings.schema import allowed

_PREFACE = """\
# Settings

Everything that differs between environments, as `config/<environment>.toml` has it. Any key can be overridden
for one run with `-c <section>.<key>=<value>`, and `AWS_REGION` replaces `region`. What is impossible is
refused in one message that names file, key, value and what is allowed.

This page is made from the models: `.venv/bin/python -m stacks.settings --markdown > docs/settings.md`.
"""


def reference() -> str:
    """Return the page, for ``docs/settings.md``."""
    return "\n".join([_PREFACE, *_section(Settings, ()), ""])


def _section(model: type[BaseModel], location: tuple[str, ...]) -> Iterator[str]:
    sections = {
        name: field.annotation
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    heading = f"`[{'.'.join(location)}]`" if location else "Of the environment as a whole"
    yield f"## {heading}\n"
    yield f"{_summary(model)}\n"
    yield "| key | default | what it may be | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        if name not in sections:
            yield _row(name, field, (*location, name))
    for name, section in sections.items():
        yield ""
        yield from _section(section, (*location, name))


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("\n\n")[0].replace("\n", " ").strip()


def _row(name: str, field: FieldInfo, location: tuple[str, ...]) -> str:
    lasting = [each.how for each in field.metadata if isinstance(each, Lasting)]
    meaning = " ".join([field.description or "", *lasting])
    cells = (f"`{name}`", _default(field), _allowed(location), meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _allowed(location: tuple[str, ...]) -> str:
    words = allowed(Settings, location)
    return f"{words}, each {allowed(Settings, (*location, '0'))}" if words.startswith("a list") else words


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    default = field.get_default(call_default_factory=True)
    return "" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"
