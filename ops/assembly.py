"""The cloud assembly of an environment: what the CDK app makes of its settings, synthesised and read back."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from ops.console import CliError
from ops.paths import ROOT
from stacks.settings import SettingsError, is_pipeline

# What the CDK CLI sets too, so that the templates read here are the ones that it deploys.
_CLI_CONTEXT = {"aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}
# Names that the CDK gives to the L1 inside an L2; they mean nothing to a reader.
_INNER_NAMES = frozenset({"Resource", "Default"})
_SUBSTITUTION = re.compile(r"\$\{([A-Za-z0-9]+)[.}]")

Value: TypeAlias = Any  # any value of JSON


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of a template; `path` is its construct's inside the stack, `Database/Cluster/Resource`."""

    stack: str
    logical_id: str
    type: str
    path: str
    properties: Mapping[str, Value]
    depends_on: tuple[str, ...] = ()

    @property
    def construct(self) -> str:
        """Path of the construct that a person wrote: without the names that the CDK adds inside an L2."""
        parts = self.path.split("/")
        while len(parts) > 1 and parts[-1] in _INNER_NAMES:
            parts.pop()
        return "/".join(parts)

    @property
    def name(self) -> str:
        """Last part of the construct path."""
        return self.construct.rsplit("/", 1)[-1]

    def get(self, *keys: str, default: Value = None) -> Value:
        """Return a property by its path of keys, or the default where one of them is missing."""
        value: Value = self.properties
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                return default
            value = value[key]
        return value


@dataclass(frozen=True)
class Stack:
    """A stack of the assembly, and the least version of the CDK's bootstrap stack, by an SSM parameter."""

    id: str
    name: str
    description: str
    account: str
    region: str
    depends_on: frozenset[str]
    resources: tuple[Resource, ...]
    exports: Mapping[str, Value]
    bootstrap_version: int = 0
    bootstrap_parameter: str = ""

    @property
    def layer(self) -> str:
        """Name of the layer; how construct ids are written is the stacks' business."""
        return self.id.lower()


@dataclass(frozen=True)
class Reference:
    """A use of one stack's resource by another stack's."""

    consumer: Resource
    producer: Resource


@dataclass(frozen=True)
class Assembly:
    """A synthesised environment; stacks are in the order in which they deploy."""

    environment: str
    directory: Path
    stacks: tuple[Stack, ...]

    @property
    def resources(self) -> Iterator[Resource]:
        """Every resource, in the order of the stacks and then of the template."""
        return (resource for stack in self.stacks for resource in stack.resources)

    @cached_property
    def _by_address(self) -> dict[tuple[str, str], Resource]:
        return {(resource.stack, resource.logical_id): resource for resource in self.resources}

    @cached_property
    def _exports(self) -> dict[str, Resource]:
        return {
            name: self._by_address[stack.id, target]
            for stack in self.stacks
            for name, value in stack.exports.items()
            for target in targets(value)
            if (stack.id, target) in self._by_address
        }

    def referents(self, resource: Resource, value: Value = None) -> Iterator[Resource]:
        """Yield the resources that a resource, or one value of it, refers to, in its stack and in others."""
        value = resource.properties if value is None else value
        for target in targets(value):
            if (resource.stack, target) in self._by_address:
                yield self._by_address[resource.stack, target]
        for name in imports(value):
            if name in self._exports:
                yield self._exports[name]

    @cached_property
    def _referrers(self) -> dict[tuple[str, str], list[Resource]]:
        found: dict[tuple[str, str], list[Resource]] = {}
        for resource in self.resources:
            for target in {(each.stack, each.logical_id): None for each in self.referents(resource)}:
                found.setdefault(target, []).append(resource)
        return found

    def referrers(self, resource: Resource) -> list[Resource]:
        """Return the resources that refer to one, in whatever stack."""
        return self._referrers.get((resource.stack, resource.logical_id), [])

    def cross_stack_references(self) -> Iterator[Reference]:
        """Yield each use of another stack's resource once."""
        seen: set[tuple[str, str, str, str]] = set()
        for consumer in self.resources:
            for producer in self.referents(consumer):
                key = (consumer.stack, consumer.logical_id, producer.stack, producer.logical_id)
                if producer.stack != consumer.stack and key not in seen:
                    seen.add(key)
                    yield Reference(consumer, producer)


def _walk(value: Value) -> Iterator[tuple[str, Value]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key, inner
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


def targets(value: Value) -> Iterator[str]:
    """Yield the logical ids that Ref, Fn::GetAtt and Fn::Sub name."""
    for key, argument in _walk(value):
        if key == "Ref" and isinstance(argument, str):
            yield argument
        elif key == "Fn::GetAtt" and argument:
            yield argument[0] if isinstance(argument, list) else str(argument).split(".", 1)[0]
        elif key == "Fn::Sub":
            yield from _SUBSTITUTION.findall(argument if isinstance(argument, str) else argument[0])


def imports(value: Value) -> Iterator[str]:
    """Yield the names of the exports that are used, `<stack>:<output>` for weak references too."""
    for key, argument in _walk(value):
        if key == "Fn::ImportValue" and isinstance(argument, str):
            yield argument
        elif key == "Fn::GetStackOutput" and isinstance(argument, Mapping):
            yield f"{argument.get('StackName')}:{argument.get('OutputName')}"


def read(directory: Path, *, environment: str) -> Assembly:
    """Read the assembly in a directory; stacks of nested assemblies (a pipeline's stages) are left out."""
    artifacts = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    stacks = {
        identity: _stack(directory, identity, artifact)
        for identity, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    return Assembly(environment, directory, tuple(_in_deploy_order(stacks)))


def _stack(directory: Path, identity: str, artifact: Mapping[str, Value]) -> Stack:
    template = json.loads((directory / artifact["properties"]["templateFile"]).read_text(encoding="utf-8"))
    account, region = artifact["environment"].removeprefix("aws://").split("/")
    name = artifact["properties"].get("stackName", identity)
    outputs = template.get("Outputs", {})
    exported = {o["Export"]["Name"]: o["Value"] for o in outputs.values() if "Export" in o}
    return Stack(
        id=identity,
        name=name,
        description=template.get("Description", ""),
        account=account,
        region=region,
        depends_on=frozenset(artifact.get("dependencies", ())),
        resources=tuple(_resource(identity, *item) for item in template.get("Resources", {}).items()),
        # A weak reference names stack and output instead of an export.
        exports={f"{name}:{key}": output["Value"] for key, output in outputs.items()} | exported,
        bootstrap_version=artifact["properties"].get("requiresBootstrapStackVersion", 0),
        bootstrap_parameter=artifact["properties"].get("bootstrapStackVersionSsmParameter", ""),
    )


def _resource(stack: str, logical_id: str, body: Mapping[str, Value]) -> Resource:
    path = body.get("Metadata", {}).get("aws:cdk:path", f"{stack}/{logical_id}")
    depends_on = body.get("DependsOn", ())
    return Resource(
        stack=stack,
        logical_id=logical_id,
        type=body["Type"],
        path=path.partition("/")[2],
        properties=body.get("Properties", {}),
        depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(depends_on),
    )


def _in_deploy_order(stacks: Mapping[str, Stack]) -> Iterator[Stack]:
    """Yield stacks after all that they depend on; the app's own order decides between equals."""
    placed: set[str] = set()

    def place(stack: Stack) -> Iterator[Stack]:
        if stack.id in placed:
            return
        placed.add(stack.id)
        for identity, other in stacks.items():
            if identity in stack.depends_on:
                yield from place(other)
        yield stack

    for stack in stacks.values():
        yield from place(stack)


def parse_overrides(words: Sequence[str]) -> dict[str, str]:
    """Return settings given as ``key=value``.

    Raises
    ------
    CliError
        When a word has no value.
    """
    overrides: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise CliError(f"{word!r} overrides no setting: write key=value, such as ecs.max_capacity=8.")
        overrides[key] = value
    return overrides


@contextmanager
def synthesised(
    environment: str, *, overrides: Sequence[str] = (), context: Mapping[str, Value] | None = None
) -> Iterator[Assembly]:
    """Synthesise an environment into a temporary directory and yield its assembly.

    Parameters
    ----------
    environment
        Names ``config/<environment>.toml``.
    overrides
        Settings for this synthesis alone, each as ``key=value``.
    context
        CDK context on top of that of cdk.json.

    Raises
    ------
    CliError
        When the app does not synthesise, with the last lines that it printed. Findings of a validation do not
        count: CDK writes the whole assembly and the report of the findings before it fails.
    """
    given = {
        "environment": environment,
        "placeholders": "shown",
        **parse_overrides(overrides),
        **(context or {}),
    }
    try:
        is_pipeline(environment)  # which reads its file
    except SettingsError as error:
        raise CliError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="gantry-assembly-") as folder:
        directory = Path(folder)
        _run_app(directory, given)
        yield read(directory, environment=environment)


def _run_app(directory: Path, context: Mapping[str, Value]) -> None:
    document = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"] | _CLI_CONTEXT | context
    variables = os.environ | {"CDK_OUTDIR": str(directory), "CDK_CONTEXT_JSON": json.dumps(document)}
    app = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    only_findings = (directory / "validation-report.json").exists()
    if app.returncode and not only_findings:
        raise CliError(
            f"The app does not synthesise {context['environment']} (exit code {app.returncode}).",
            detail="\n".join(app.stderr.splitlines()[-20:]),
            remedy=f"`./gantry cdk synth -c environment={context['environment']} -c placeholders=shown` "
            "shows the whole output.",
        )
