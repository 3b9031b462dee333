"""Keeps updates from replacing or removing what holds data, has an address, or is used by everything else.

Before a deployment its templates are compared with the deployed ones; after it, stack policies deny the same
to every other way of deploying. What a person gives up by its id, `-c lose=<logical id>`, may go.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Set
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # has no annotations
from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from contract.stack_policy import ALLOW_ALL, COUNTED, IRREPLACEABLE, POLICY, STATEFUL
from ops.assembly import Assembly, Value
from ops.aws import Environment
from ops.console import CliError, err
from ops.replacements import Loss, Template, as_read_back, losses

LOSE = "lose"
_CREATE_ONLY = Path(__file__).with_name("create_only.json")
_HTTPS = "load_balancer.certificate_arn or domain.name"
# Which setting changes a property, and what to do instead of changing it.
_SETTINGS = {
    ("AWS::EC2::VPC", "CidrBlock"): "network.cidr",
    ("AWS::EC2::Subnet", "CidrBlock"): "network.cidr",
    ("AWS::EC2::Subnet", "AvailabilityZone"): "network.zones",
    ("AWS::EC2::Subnet", "AvailabilityZoneId"): "network.zones",
    ("AWS::EC2::Subnet", ""): "network.zones",
    ("AWS::ElasticLoadBalancingV2::ListenerRule", "ListenerArn"): _HTTPS,
    ("AWS::RDS::DBCluster", "SnapshotIdentifier"): "aurora.restore_from_snapshot",
}
_IMPAIRED_ZONE = (
    "Zones can only be added, at the end of network.zones. Have the load balancer leave an impaired one out, "
    "with a zonal shift: docs/troubleshooting.md, `A zone is impaired`."
)
_SECOND_GROUP = (
    "The second target group may be the one that serves, and a new rule sends all requests to the first. Set "
    "deployment.alternate_target_group = false first, once the first one serves: docs/operations.md, "
    "`Updates and rollbacks`."
)
# Another error, such as a time-out, is no reason to deploy what was not compared.
_DENIED = re.compile(r"Denied|Unauthorized")
# A stack of which there is nothing yet, or nothing any more: the next deployment creates it.
_NOT_MADE = re.compile(r"(REVIEW|DELETE|ROLLBACK)_|CREATE_FAILED")


@cache
def create_only() -> Mapping[str, tuple[str, ...]]:
    """Return the properties that each protected type keeps as long as it lives, by AWS's schemas."""
    return {
        kind: tuple(names) for kind, names in json.loads(_CREATE_ONLY.read_text(encoding="utf-8")).items()
    }


def before_deployment(environment: Environment, assembly: Assembly, *, lose: Set[str]) -> None:
    """Refuse a deployment that would replace or remove what is protected.

    Parameters
    ----------
    environment
        Where it goes.
    assembly
        What is deployed.
    lose
        Logical ids of what may go.

    Raises
    ------
    CliError
        When it must not go on; names setting, resource and property.
    """
    with _asking("compared with what is deployed", denied_alone=True):
        if not _may_ask(environment, "compared with what is deployed"):
            return
        deployed = deployed_templates(environment)
        refuse(deployed, _templates(assembly), lose=lose)
        if opened := {name for name, template in deployed.items() if lose & template["Resources"].keys()}:
            _set_policies(environment, ALLOW_ALL, only=opened)


def after_deployment(environment: Environment) -> None:
    """Give each stack a policy that denies every update to replace or remove what is protected."""
    with _asking("protected by a stack policy"):
        if _may_ask(environment, "protected by a stack policy"):
            _set_policies(environment, POLICY)


def _may_ask(environment: Environment, what: str) -> bool:
    """Return whether the credentials are the environment's own: the CDK may deploy from another account."""
    try:
        environment.require_own_account()
    except CliError as error:
        _warn(what, error)
        return False
    return True


def _warn(what: str, error: Exception) -> None:
    err.print(f"[yellow]The stacks are not {what}:[/] {escape(str(error))}", soft_wrap=True)


@contextmanager
def _asking(what: str, *, denied_alone: bool = False) -> Iterator[None]:
    """Say what does not happen where the CDK's own roles may deploy, but the caller may not ask."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if denied_alone and not _DENIED.search(code):
            raise
        _warn(what, error)


def refuse(
    before: Mapping[str, Template], after: Mapping[str, Template], *, lose: Collection[str] = ()
) -> None:
    """Refuse an update of templates, by name of the stack, that loses what is protected.

    Raises
    ------
    CliError
        When it does; names setting, resource and property.
    """
    found = [
        loss
        for loss in losses(before, after, lambda kind: create_only().get(kind, ()))
        if _is_protected(loss.type, replaced=bool(loss.properties)) and loss.logical_id not in lose
    ]
    if found:
        lines = "\n".join(f"  {_shown(loss)}" for loss in found)
        raise CliError(
            f"This deployment would take away what must stay; nothing was deployed:\n{lines}",
            remedy=_way(found),
        )


def _is_protected(kind: str, *, replaced: bool) -> bool:
    return kind in STATEFUL | IRREPLACEABLE and (replaced or kind not in COUNTED)


def _settings(found: Collection[Loss]) -> list[str]:
    """Return the settings that were changed, as far as what they replace or remove shows them."""
    names = {_SETTINGS.get((loss.type, name)) for loss in found for name in loss.properties or ("",)}
    return sorted(filter(None, names))


def _shown(loss: Loss) -> str:
    keys = "".join(f" ({key})" for key in _settings([loss]))
    what = f"replaced: {', '.join(loss.properties)} cannot change" if loss.properties else "removed"
    return f"{loss.stack}: {loss.type} {loss.logical_id} would be {what}{keys}"


def _way(found: Collection[Loss]) -> str:
    keys = _settings(found)
    if keys == ["network.zones"]:
        return _IMPAIRED_ZONE
    if keys == [_HTTPS]:
        return _SECOND_GROUP
    undo = f"Set {' and '.join(keys)} back" if keys else "Undo the change"
    ids = ",".join(dict.fromkeys(loss.logical_id for loss in found))
    return (
        f"{undo}: another value needs another environment. Only if all of it may be lost, add -c {LOSE}={ids}"
    )


def _set_policies(
    environment: Environment, policy: Mapping[str, Value], *, only: Collection[str] | None = None
) -> None:
    """Set the policies of stacks; AWS may refuse that of one that is being changed, and not the others'."""
    with _asking("protected by a stack policy"):
        for region, name in _stacks(environment):
            if only is None or name in only:
                with _asking(f"protected by a stack policy ({name})"):
                    environment.cloudformation_in(region).set_stack_policy(
                        StackName=name, StackPolicyBody=json.dumps(policy)
                    )


def deployed_templates(environment: Environment) -> dict[str, Template]:
    """Return the templates of the stacks that there are, by their names."""
    found: dict[str, Template] = {}
    for region, name in _stacks(environment):
        body = environment.cloudformation_in(region).get_template(StackName=name)["TemplateBody"]
        # The CLI writes YAML where it has changed a template, as `cdk import` does.
        template = yaml.load(body, Loader=yaml.CSafeLoader) if isinstance(body, str) else body
        found[name] = as_read_back(template)
    return found


def _stacks(environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield region and name of each stack that an update is of, and not another creation."""
    settings = environment.settings
    for layer, region in settings.places.items():
        name = settings.stack_name(layer)
        try:
            stack = environment.cloudformation_in(region).describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            continue
        if not _NOT_MADE.match(stack["StackStatus"]):
            yield region, name


def _templates(assembly: Assembly) -> dict[str, Template]:
    found: dict[str, Template] = {}
    for stack in assembly.stacks:
        resources = {
            each.logical_id: {"Type": each.type, "Properties": each.properties} for each in stack.resources
        }
        outputs = {key: {"Value": value, "Export": {"Name": key}} for key, value in stack.exports.items()}
        found[stack.name] = as_read_back({"Resources": resources, "Outputs": outputs})
    return found
