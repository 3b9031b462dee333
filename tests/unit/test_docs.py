"""What the documentation names exists: pages, sections, files, settings, commands and their options."""

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import botocore.session
import jmespath  # type: ignore[import-untyped]  # has no annotations
import pytest
import typer
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from ops.cli.options import app
from ops.rotated_secrets import Rotatable
from stacks.settings import PipelineSettings, Settings, keys
from tests.pages import PAGES, ROOT, anchors, commands, inline_code, links

CODE = (
    "app.py",
    "gantry",
    ".ci",
    "config",
    "constructs",
    "contract",
    "lambdas",
    "ops",
    "tools",
    "sandbox",
    "service",
    "stacks",
    "tests",
)
CONTEXT = {"environment", "nag:packs", "placeholders"}
SETTINGS = {*keys(), *PipelineSettings.model_fields}
# Commands of the AWS CLI that are none of the API's, or take options of their own.
OWN_COMMANDS = {("configure", "sso"), ("sso", "login"), ("logs", "tail"), ("cloudtrail", "validate-logs")}
OWN_OPTIONS = {
    "endpoint-url",
    "no-cli-pager",
    "notification-endpoint",
    "output",
    "profile",
    "query",
    "region",
}

# The changelog also names what is no longer there.
GUIDES = [page for page in PAGES if page.name != "CHANGELOG.md"]

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
every_guide = pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))


def broken(target: str, base: Path) -> bool:
    """Return whether a link names no file, or no section of it."""
    path, _, anchor = target.partition("#")
    file = (base / path) if path else base
    return not file.exists() or bool(anchor and file.suffix == ".md" and anchor not in anchors(file))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    targets = {target: page if target.startswith("#") else page.parent for target in links(page)}
    assert not [target for target, base in targets.items() if broken(target, base)]


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in PAGES and page not in reached:
            reached.add(page)
            targets = [(page.parent / re.sub("#.*", "", target)).resolve() for target in links(page)]
            # A link to a folder opens its README.
            waiting += [*targets, *(target / "README.md" for target in targets if target != page.parent)]
    assert not set(PAGES) - reached


DECISIONS = ROOT / "docs" / "decisions"
STATUS = re.compile(r"(\d{4}-\d\d-\d\d) · (accepted|superseded by \[(\d{4})\]\(\3-[\w-]+\.md\))")


def test_index_of_decisions_says_what_the_decisions_say() -> None:
    rows = []
    for number, page in enumerate(sorted(DECISIONS.glob("[0-9]*.md")), start=1):
        assert page.name.startswith(f"{number:04}-")
        title, _, status, _, text = page.read_text(encoding="utf-8").split("\n", maxsplit=4)
        dated = STATUS.fullmatch(status)
        assert dated is not None, f"{page.name}: no date and status below the title"
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)[0] == "Context", page.name
        accepted = re.sub(r"\[(\d{4})\].*", r"\1", dated[2])
        rows.append(f"| [{number:04}]({page.name}) | {dated[1]} | {accepted} | {title.removeprefix('# ')} |")
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    assert [line for line in index.splitlines() if line.startswith("| [")] == rows


def test_pages_that_code_names_exist() -> None:
    files = [
        path
        for name in CODE
        for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
    ]
    named = {
        (str(file.relative_to(ROOT)), target)
        for file in files
        if file.is_file()
        and file.suffix in {"", ".py", ".toml", ".txt", ".sql"}
        and ".venv" not in file.parts
        for target in re.findall(r"(?<![\w/.-])docs/[\w./-]*\w(?:#[\w-]+)?", file.read_text())
    }
    assert named
    assert not {(file, target) for file, target in named if broken(target, ROOT)}


@every_guide
def test_files_that_pages_name_exist(page: Path) -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    named = [code for code in inline_code(page) if re.fullmatch(r"[\w-]+(/[\w.-]+)+/?", code)]
    ours = [path for path in named if path.split("/")[0] in folders - {"node_modules"} and "/." not in path]
    assert not [path for path in ours if not (ROOT / path).exists()]


@every_guide
def test_settings_that_pages_name_exist(page: Path) -> None:
    sections = {name for name, field in Settings.model_fields.items() if f"{name}." in "".join(SETTINGS)}
    for code in inline_code(page):
        named = re.fullmatch(r"(\w+)((?:\.\w+)+)( = .+)?", code)
        if named and named[1] in sections and named[2] not in {".py", ".toml", ".md", ".txt"}:
            key = named[1] + named[2]
            assert key in SETTINGS or any(each.startswith(f"{key}.") for each in SETTINGS), key


@every_guide
def test_commands_exist(page: Path) -> None:
    assert not [problem for words in commands(page, "./gantry") for problem in problems(words)]


@every_guide
def test_commands_of_aws_exist(page: Path) -> None:
    assert not [problem for words in commands(page, "aws") for problem in aws_problems(words)]


def problems(words: list[str]) -> Iterator[str]:
    """Yield what is wrong with a command of `./gantry`."""
    command: Any = typer.main.get_command(app)
    arguments = list(words)
    while hasattr(command, "commands") and arguments:
        name = arguments.pop(0)
        if name not in command.commands:
            yield f"there is no ./gantry {name}"
            return
        command = command.commands[name]
    if command.name == "cdk":
        yield from cdk_problems(arguments)
    elif command.name != "test":
        yield from option_problems(command, arguments)
    for option, value in pairwise(arguments):
        key = value.partition("=")[0]
        if option in {"-c", "--context"} and key not in SETTINGS | CONTEXT and key[0] not in "@…":
            yield f"-c {key}: there is no such setting"


def option_problems(command: Any, arguments: list[str]) -> Iterator[str]:  # noqa: ANN401 - Typer's own Click
    """Yield the options and arguments that a command of the CLI does not have."""
    options = {name: each for each in command.params for name in (*each.opts, *each.secondary_opts)}
    positional = [each for each in command.params if each.param_type_name == "argument"]
    rest = iter(arguments)
    for word in rest:
        if word.startswith("-"):
            option = options.get(word.partition("=")[0])
            if option is None:
                yield f"{command.name} has no {word}"
            elif not option.is_flag and "=" not in word:
                next(rest, None)
        elif not positional:
            yield f"{command.name} takes no {word}"
        elif positional[0].type_descriptor.annotation is Rotatable and {*word.split("|")} - {*Rotatable}:
            yield f"{command.name} knows no {word}"


@cache
def cdk_registry() -> dict[str, Any]:
    """Return what the pinned CDK CLI says of its commands and options."""
    text = (ROOT / "node_modules" / "aws-cdk" / "lib" / "cli" / "cli-type-registry.json").read_text()
    registry: dict[str, Any] = json.loads(text)
    return registry


def cdk_problems(arguments: list[str]) -> Iterator[str]:
    """Yield what is wrong with a command of the CDK CLI."""
    registry = cdk_registry()
    names = {
        name: each for key, each in registry["commands"].items() for name in (key, *each.get("aliases", ()))
    }
    command = next((word for word in arguments if not word.startswith("-")), None)
    if command is None or command == "…":
        return
    if command not in names:
        yield f"there is no cdk {command}"
        return
    known = registry["globalOptions"] | names[command].get("options", {})
    options = {f"-{each['alias']}" for each in known.values() if "alias" in each}
    options |= {f"--{prefix}{name}" for name in known for prefix in ("", "no-")}
    yield from (
        f"cdk {command} has no {word}"
        for word in arguments
        if word.startswith("-") and word.partition("=")[0] not in options
    )


@cache
def service_model(service: str) -> Any:  # noqa: ANN401 - botocore has no annotations
    """Return botocore's model of a service, by the name that the AWS CLI has for it, too."""
    return botocore.session.get_session().get_service_model(service)


def aws_problems(words: list[str]) -> Iterator[str]:
    """Yield what is wrong with a command of the AWS CLI, by the models of the services."""
    service, name, *arguments = [word for word in words if word != "…"] + [""] * 2
    options = {word.partition("=")[0].removeprefix("--") for word in arguments if word.startswith("--")}
    if (service, name) in OWN_COMMANDS or not name:
        return
    try:
        operations = {xform_name(each, "-"): each for each in service_model(service).operation_names}
    except UnknownServiceError:
        yield f"there is no aws {service}"
        return
    if name == "wait":
        waiters = botocore.session.get_session().get_waiter_model(service).waiter_names
        if arguments[0] not in {xform_name(each, "-") for each in waiters}:
            yield f"aws {service} cannot wait for {arguments[0]}"
        return
    if name not in operations:
        yield f"there is no aws {service} {name}"
        return
    shape = service_model(service).operation_model(operations[name]).input_shape
    known = {xform_name(member, "-") for member in (shape.members if shape else ())} | OWN_OPTIONS
    yield from (
        f"aws {service} {name} has no --{each}" for each in options - known - {f"no-{e}" for e in known}
    )
    for option, value in pairwise(arguments):
        if option == "--query":
            jmespath.compile(value)
