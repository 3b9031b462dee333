"""Six stacks, one direction, the same wherever they are made from."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from ops.assembly import Assembly, Stack, read
from stacks.settings import GLOBAL_REGION, LAYERS, load_pipeline
from tests.infrastructure.synthesis import ENVIRONMENTS, Synthesised, Synthesiser
from tests.infrastructure.variants import HEALTH_CANARY

# CloudFormation's limits: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
RECOVERY, GLOBAL = "recovery", "global"
MAX_TEMPLATE_BYTES = 1_000_000
MOST = {"Resources": 500, "Outputs": 200, "Parameters": 200, "Mappings": 200}
USES = Path(__file__).with_name("uses_between_layers.txt")


def test_stacks_are_named_by_name_environment_and_layer(platform: Synthesised) -> None:
    environment = platform.settings.environment
    layers = {stack.name: stack.layer for stack in platform.assembly.stacks}
    assert layers == {f"gantry-{environment}-{layer}": layer for layer in layers.values()}
    assert [layer for layer in layers.values() if layer not in (RECOVERY, GLOBAL)] == list(LAYERS)


def test_place_of_every_stack_is_concrete_and_nothing_is_looked_up(platform: Synthesised) -> None:
    settings = platform.settings
    for stack in platform.assembly.stacks:
        places = {RECOVERY: settings.recovery.region, GLOBAL: GLOBAL_REGION}
        region = places.get(stack.layer, settings.region)
        assert (stack.account, stack.region) == (settings.account, region)
    manifest = json.loads((platform.assembly.directory / "manifest.json").read_text())
    assert "missing" not in manifest


def test_layer_depends_only_on_earlier_ones(platform: Synthesised) -> None:
    order = [*LAYERS[:2], RECOVERY, *LAYERS[2:5], GLOBAL, *LAYERS[5:]]
    for stack in platform.assembly.stacks:
        earlier = {layer.capitalize() for layer in order[: order.index(stack.layer)]}
        assert {name for name in stack.depends_on if not name.endswith(".assets")} <= earlier


def test_references_are_strong_within_a_region_and_weak_only_across(platform: Synthesised) -> None:
    """A weak one goes stale silently after a replacement, and a parameter of Systems Manager does too."""
    regions = {stack.name: stack.region for stack in platform.assembly.stacks}
    exported = {name: stack.region for stack in platform.assembly.stacks for name in stack.exports}
    for stack in platform.assembly.stacks:
        template = platform.template(stack.layer)
        text = json.dumps(template)
        for reference in re.findall(r'"Fn::GetStackOutput": (\{[^}]*\})', text):
            weak = json.loads(reference)
            assert weak["Region"] == regions[weak["StackName"]] != stack.region
        for name in re.findall(r'"Fn::ImportValue": "([^"]*)"', text):
            assert exported[name] == stack.region
        assert "{{resolve:ssm" not in text
        assert set(template.get("Parameters", {})) <= {"BootstrapVersion"}


def test_layers_use_what_they_are_meant_to_of_each_other(synthesise: Synthesiser) -> None:
    """An export that no one meant to make ties two stacks together permanently."""
    found = {
        f"{use.consumer.stack.lower()} uses {use.producer.stack.lower()} {use.producer.construct}"
        for environment, overrides in (*((name, {}) for name in ENVIRONMENTS), ("prod", HEALTH_CANARY))
        for use in synthesise(environment, overrides).assembly.cross_stack_references()
    }
    assert sorted(found) == USES.read_text().splitlines(), f"write into {USES.name} what is meant"


def test_templates_stay_far_from_the_limits(platform: Synthesised) -> None:
    for stack in platform.assembly.stacks:
        (file,) = platform.assembly.directory.glob(f"{stack.id}.template.json")
        assert file.stat().st_size < MAX_TEMPLATE_BYTES * 0.6
        template = platform.template(stack.layer)
        for section, most in MOST.items():
            assert len(template.get(section, {})) < most * 0.6, f"{section} of {stack.name}"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_stage_makes_the_same_stacks(environment: str, synthesise: Synthesiser) -> None:
    """Moving to a pipeline must not make a second database."""
    assert_same(synthesise(environment).assembly, synthesise.in_stage(environment))


@pytest.mark.parametrize("environment", load_pipeline("pipeline").stages)
def test_pipeline_deploys_the_same_stacks(environment: str, synthesise: Synthesiser) -> None:
    nested = synthesise.pipeline() / f"assembly-{environment.capitalize()}"
    staged = read(nested, environment=environment)
    (access,) = (stack for stack in staged.stacks if stack.name.endswith("-pipeline-access"))
    layers = tuple(stack for stack in staged.stacks if stack is not access)
    assert_same(synthesise(environment).assembly, dataclasses.replace(staged, stacks=layers))


def assert_same(alone: Assembly, staged: Assembly) -> None:
    twins = {stack.name: stack for stack in staged.stacks}
    assert set(twins) == {stack.name for stack in alone.stacks}
    for stack in alone.stacks:
        twin = twins[stack.name]
        assert (stack.account, stack.region) == (twin.account, twin.region)
        assert _comparable(stack) == _comparable(twin)


def _comparable(stack: Stack) -> dict[str, str]:
    """Return the resources but for two names that the CDK makes of whole paths, and that do no harm.

    A statement's, and a Lambda permission's: the new permission is next to the old one until that goes.
    """
    return {
        resource.logical_id: re.sub(r'"Sid": "[^"]*"', "", json.dumps(resource.properties, sort_keys=True))
        for resource in stack.resources
        if resource.type != "AWS::Lambda::Permission"
    }


def test_outputs_that_operators_and_the_sandbox_read(platform: Synthesised) -> None:
    promised = {
        "state": {"LedgerTableName", "AssemblyBucketName", "RepositoryUri"},
        "data": {"DatabaseSecretArn", "ValkeySecretArn", "ClusterIdentifier"},
        "compute": {"ServiceUrl", "LoadBalancerDnsName", "ClusterName", "ServiceName", "SigningKeySecretArn"},
        "observability": {"DashboardName"},
    }
    for layer, names in promised.items():
        assert names <= set(platform.template(layer)["Outputs"])


def test_every_resource_says_whose_it_is(platform: Synthesised) -> None:
    """Costs are read by these tags."""
    expected = {"application": "gantry", "environment": platform.settings.environment}
    for resource in platform.of_type("AWS::RDS::DBCluster", "AWS::ECS::Service", "AWS::EC2::NatGateway"):
        tags = {tag["Key"]: tag["Value"] for tag in resource.get("Tags")}
        assert tags.items() >= expected.items()
