"""`./gantry diagram`: the platform as a Mermaid flowchart, made of the templates of an environment."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from ops.assembly import Assembly, Stack, synthesised
from ops.console import CliError, err, write
from ops.paths import ROOT

PAGE = ROOT / "docs" / "architecture.md"
_BEGIN, _END = "<!-- ./gantry diagram --update writes from here -->\n", "<!-- to here -->\n"
_HEAD = '%%{init: {"flowchart": {"wrappingWidth": 520}}}%%\nflowchart TB'
# A request passes these in this order; the service then asks its two stores.
_REQUEST_PATH = (
    "AWS::GlobalAccelerator::Accelerator",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ECS::Service",
)
_STORES = ("AWS::RDS::DBCluster", "AWS::ElastiCache::ServerlessCache")
# What only connects, names or permits the rest of its construct.
_SUPPORTING = re.compile(
    r"Custom::|AWS::(IAM|Lambda::(Permission|EventInvokeConfig)|Logs::(LogGroup|MetricFilter))|.*("
    r"::Alias|::EIP|Association|Attachment|CapacityProvider.*|Configuration|FlowLog|GatewayEndpoint|InternetGateway"
    r"|ParameterGroup|(?<!Scaling)Policy|RouteTable|::Route|(Ingress|Egress)|SubnetGroup|Target)$"
)


def of(assembly: Assembly) -> str:
    """Return the flowchart of an assembly; the same constructs and types give the same text."""
    requests = [f"  {before} ==> {after}" for before, after in _requests(assembly)]
    layers = [f'  {stack.id}["{_label(stack)}"]' for stack in assembly.stacks]
    uses = [f"  {producer} --> {consumer}" for producer, consumer in _uses(assembly)]
    style = [
        "  classDef layer text-align:left",
        f"  class {','.join(each.id for each in assembly.stacks)} layer",
    ]
    return "\n".join([_HEAD, *requests, *layers, *uses, *style]) + "\n"


def run(environment: str, *, update: bool, overrides: Sequence[str] = ()) -> None:
    """Print the flowchart of an environment, or write it into the page on the architecture.

    Raises
    ------
    CliError
        When the environment does not synthesise, or the page has no place for the flowchart.
    """
    with synthesised(environment, overrides=overrides) as assembly:
        diagram = of(assembly)
    if update:
        write(PAGE, inserted(diagram, PAGE))
        err.print(f"Wrote the diagram of {environment} into {PAGE.relative_to(ROOT)}.")
    else:
        sys.stdout.write(diagram)


def inserted(diagram: str, page: Path) -> str:
    """Return the text of a page with a flowchart in the place of the one that it has.

    Raises
    ------
    CliError
        When the page cannot be read, or has no place for one.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{page} cannot be read: {error}") from error
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise CliError(
            f"{page} has no place for the diagram.",
            remedy=f"Put these two lines where it belongs:\n{_BEGIN}{_END}",
        )
    return f"{before}{begin}```mermaid\n{diagram}```\n{end}{after}"


def _label(stack: Stack) -> str:
    """Return what a layer is and the constructs that it is made of, each with the types of its resources."""
    constructs: dict[str, set[str]] = defaultdict(set)
    for resource in stack.resources:
        if not _SUPPORTING.match(resource.type) and not resource.construct.startswith("Custom::"):
            constructs[resource.construct.partition("/")[0]].add(_named(resource.type))
    lines = [f"{_words(name)}: {', '.join(sorted(types))}" for name, types in sorted(constructs.items())]
    return "<br>".join([f"<b>{stack.id}</b>: {stack.description.partition(': ')[2]}", *lines])


def _named(resource_type: str) -> str:
    return resource_type.removeprefix("AWS::").replace("::", " ")


def _words(construct: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", construct)


def _uses(assembly: Assembly) -> Iterator[tuple[str, str]]:
    """Yield who uses whom, without what a layer uses through another one too."""
    used: dict[str, set[str]] = {stack.id: set() for stack in assembly.stacks}
    for each in assembly.cross_stack_references():
        used[each.consumer.stack].add(each.producer.stack)
    for consumer, producers in used.items():
        for producer in sorted(producers - set[str]().union(*(used[each] for each in producers))):
            yield producer, consumer


def _requests(assembly: Assembly) -> Iterator[tuple[str, str]]:
    there = {each.type for each in assembly.resources}
    path = [f'{each.replace(":", "")}["{_named(each)}"]' for each in _REQUEST_PATH if each in there]
    path.insert(0, "Internet(((Internet)))")
    yield from pairwise(path)
    yield from (
        (path[-1], f'{each.replace(":", "")}[("{_named(each)}")]') for each in _STORES if each in there
    )
