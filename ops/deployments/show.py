"""How entries are shown."""

from collections.abc import Mapping

from ops.deployments.ledger import Entry


def minutes(seconds: float) -> str:
    """Return a time as people say it: ``42 s``, ``3 min 20 s``."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def name(arn: str) -> str:
    """Return the person's or the role's name in an ARN of STS."""
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def resources(number: int) -> str:
    """Return how many resources change; 0 where only other parts of a template do, such as its outputs."""
    return {0: "no resource", 1: "1 resource"}.get(number, f"{number} resources")


def stacks(changes: Mapping[str, int]) -> str:
    """Return the layers that change, with the number of resources in each where it is known."""
    return ", ".join(
        f"{stack.rsplit('-', 1)[-1]} {number or ''}".rstrip() for stack, number in changes.items()
    )


def version(image: str) -> str:
    """Return what distinguishes an image: its tag, or the beginning of its digest."""
    reference, _, digest = image.partition("@sha256:")
    return digest[:12] if digest else reference.rpartition(":")[2][:12]


def result(entry: Entry) -> str:
    """Return how a deployment ended, as far as it is written."""
    return entry.outcome.result if entry.outcome else "not written"
