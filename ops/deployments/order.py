"""Which stacks a rollback deploys, and in which order."""

from collections.abc import Mapping, Sequence

from ops.assembly import Assembly, Stack, imports
from ops.console import CliError
from ops.deployments import changes
from ops.replacements import Template

ALONE = "compute"


def stacks(
    assembly: Assembly, before: Mapping[str, Template], after: Mapping[str, Template]
) -> Sequence[Stack]:
    """Return the stacks that differ, in an order in which CloudFormation accepts them.

    The compute layer alone where only what its tasks run differs. A stack that stops importing a value comes
    before the one that stops exporting it: CloudFormation deletes no export that is in use.

    Parameters
    ----------
    assembly
        What is deployed.
    before, after
        The templates now, and those of the assembly, by stack.

    Raises
    ------
    CliError
        When no order is accepted: a stack lets go of one export and needs another that is not there yet.
    """
    found = changes.changes(before, after)
    live = exports(before)
    compute = [each for each in assembly.stacks if each.layer == ALONE]
    only_tasks = found and all(each.type == "AWS::ECS::TaskDefinition" for each in found)
    if only_tasks and all(_imports(after[each.name]) <= live for each in compute):
        return compute
    differing = [each for each in assembly.stacks if each.name in changes.count(found, after, before)]
    dropped = live - exports({**before, **after})
    first = [each for each in differing if _imports(before.get(each.name, {})) & dropped]
    for stack in first:
        if missing := sorted(_imports(after[stack.name]) - live):
            raise CliError(
                f"{stack.name} would let go of an export of today and need {missing[0]}, which there is not.",
                remedy="Deploy the commit of that version: `git checkout` it and run `./gantry deploy`.",
            )
    return [*first, *(each for each in differing if each not in first)]


def exports(templates: Mapping[str, Template]) -> set[str]:
    """Return the names of what templates export."""
    return {
        output["Export"]["Name"]
        for template in templates.values()
        for output in template.get("Outputs", {}).values()
        if "Export" in output
    }


def _imports(template: Template) -> set[str]:
    """Return the exports that a template uses; a reference across regions has a colon in its name."""
    return {name for name in imports(template.get("Resources", {})) if ":" not in name}
