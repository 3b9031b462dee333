"""First deployments that fail, and what `./gantry clean-up` makes of them: the next one succeeds."""

from collections.abc import Iterator

import pytest
from aws_cdk import CfnResource, Stack

from sandbox.lifecycle import Sandbox
from stacks.platform import Platform
from stacks.settings import LAYERS
from tests.infrastructure.synthesis import Change, Synthesised, Synthesiser
from tests.integration.platform.conftest import gantry
from tests.integration.platform.deployments import SandboxedEnvironment, succeeded
from tests.integration.sandbox.emulator import Emulator

# Each takes the time of three deployments.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
TAKEN = "taken-before"
# What CloudFormation does not try to delete; everything else goes with the failed creation.
LEFT_ALONE = {
    "state": {"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::S3::Bucket"},
    "network": {"Custom::VpcRestrictDefaultSG"},  # a call of a function, which is not undone
    "data": {
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBClusterParameterGroup",
        "AWS::RDS::DBInstance",
        "AWS::RDS::DBSubnetGroup",
    },
}
HERE = ("-c", "account=000000000000")


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxedEnvironment]:
    """Production, not deployed yet, and an account in which a log group's name is taken."""
    folder = tmp_path_factory.mktemp("first-deployments")
    (folder / "assemblies").mkdir()
    sandbox = Sandbox(folder / "sandbox")
    sandbox.start()
    try:
        emulator = Emulator(sandbox, folder / "sandbox")
        emulator.client("logs").create_log_group(logGroupName=TAKEN)
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("AWS_REGION", raising=False)
            yield SandboxedEnvironment("prod", emulator, Synthesiser(folder / "assemblies"))
    finally:
        sandbox.wipe()


def failing(layer: str) -> Change:
    """Let a layer fail at the end, when all the rest of it is there."""

    def change(platform: Platform) -> None:
        stack = getattr(platform, layer)
        others = [each for each in stack.node.find_all() if CfnResource.is_cfn_resource(each)]
        broken = CfnResource(stack, "Broken", type="AWS::Logs::LogGroup", properties={"LogGroupName": TAKEN})
        for each in others:
            if Stack.of(each) is stack:
                broken.node.add_dependency(each)

    return change


def skipped(prod: SandboxedEnvironment, layer: str) -> set[str]:
    """Return the types of what CloudFormation left alone when it rolled a stack back."""
    client = prod.emulator.client("cloudformation")
    pages = client.get_paginator("describe_stack_events").paginate(StackName=prod.stack(layer)["StackId"])
    events = [event for page in pages for event in page["StackEvents"]]
    return {event["ResourceType"] for event in events if event["ResourceStatus"] == "DELETE_SKIPPED"}


def fails_and_is_cleaned_up(prod: SandboxedEnvironment, layer: str, broken: Synthesised) -> None:
    """Deploy what fails in a layer, and have the sandbox as it was before."""
    # With what it needs, and nothing else: observability does not wait for security.
    failed = prod.cdk(
        "deploy", layer.capitalize(), "--require-approval", "never", "--concurrency", "4", of=broken
    )
    assert not succeeded(failed)
    assert f"./gantry clean-up -e prod {' '.join(HERE)}" in failed.stderr
    stack = prod.stack(layer)
    assert (stack["StackStatus"], stack["EnableTerminationProtection"]) == ("ROLLBACK_COMPLETE", True)
    assert skipped(prod, layer) == LEFT_ALONE.get(layer, set())
    assert succeeded(gantry(prod.emulator.state_dir, "clean-up", "-e", "prod", *HERE, "--yes"))
    assert prod.emulator.stack(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.parametrize("layer", LAYERS)
def test_next_deployment_of_a_layer_that_failed_succeeds(prod: SandboxedEnvironment, layer: str) -> None:
    if layer == "compute":
        # What fails most often is the team's own container.
        fails_and_is_cleaned_up(prod, layer, prod.synthesised(ecs__environment__RATE_LIMIT_PER_MINUTE="many"))
    fails_and_is_cleaned_up(prod, layer, prod.synthesised(failing(layer)))
    assert succeeded(prod.deploy(layer.capitalize()))
    assert prod.stack(layer)["StackStatus"] == "CREATE_COMPLETE"
