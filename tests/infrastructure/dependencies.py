"""What CloudFormation has made when it begins with a resource."""

from ops.assembly import Assembly, Resource


def made_before(assembly: Assembly, resource: Resource) -> list[Resource]:
    """Return what a resource waits for in its own stack, and all of the stacks before."""
    own = {each.logical_id: each for each in assembly.resources if each.stack == resource.stack}
    found: dict[str, Resource] = {}
    waiting = [resource]
    while waiting:
        each = waiting.pop()
        awaited = [*each.depends_on, *(other.logical_id for other in assembly.referents(each))]
        new = {name: own[name] for name in awaited if name in own and name not in found}
        found |= new
        waiting += new.values()
    earlier = _stacks_before(assembly, resource.stack)
    return [*found.values(), *(each for each in assembly.resources if each.stack in earlier)]


def _stacks_before(assembly: Assembly, name: str) -> set[str]:
    stacks = {each.id: each for each in assembly.stacks}
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = {each for each in stacks[waiting.pop()].depends_on if each in stacks} - found
        found |= new
        waiting += new
    return found
