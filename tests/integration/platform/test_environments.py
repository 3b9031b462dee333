"""Other environments in the sandbox: deployed, compared, changed, rolled back and destroyed."""

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from contract.stack_policy import POLICY
from sandbox.lifecycle import Sandbox
from sandbox.tls import ensure_authority
from tests.infrastructure.synthesis import Synthesiser
from tests.integration.platform.deployments import SandboxedEnvironment, succeeded
from tests.integration.sandbox.emulator import Emulator

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", autouse=True)
def _no_region_variable() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_REGION", raising=False)
        yield


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SandboxedEnvironment]]:
    """A cheap environment and one of production, deployed into one account of a new sandbox."""
    folder = tmp_path_factory.mktemp("environments")
    (folder / "assemblies").mkdir()
    synthesise = Synthesiser(folder / "assemblies")
    sandbox = Sandbox(folder / "sandbox")
    sandbox.start()
    try:
        emulator = Emulator(sandbox, folder / "sandbox")
        both = {name: SandboxedEnvironment(name, emulator, synthesise) for name in ("dev", "prod")}
        for each in both.values():
            each.synthesised()
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(SandboxedEnvironment.deploy, both.values()))
        assert all(map(succeeded, results))
        yield both
    finally:
        sandbox.wipe()


@pytest.fixture
def dev(environments: dict[str, SandboxedEnvironment]) -> SandboxedEnvironment:
    return environments["dev"]


@pytest.fixture
def prod(environments: dict[str, SandboxedEnvironment]) -> SandboxedEnvironment:
    return environments["prod"]


@pytest.mark.parametrize(("name", "scheme"), [("dev", "http"), ("prod", "https")])
def test_service_answers_in_the_way_that_the_environment_has_it(
    environments: dict[str, SandboxedEnvironment], name: str, scheme: str
) -> None:
    url = environments[name].url()
    trust = ensure_authority(environments[name].emulator.state_dir / "tls").client_context()
    health = httpx.get(f"{url}/healthz", verify=trust, timeout=15)
    assert url.startswith(f"{scheme}://")
    assert health.status_code == 200


def test_nothing_differs_from_what_was_deployed(environments: dict[str, SandboxedEnvironment]) -> None:
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda each: each.cdk("diff", "--fail"), environments.values()))
    assert all(map(succeeded, results))


def test_changed_setting_changes_what_is_deployed(prod: SandboxedEnvironment) -> None:
    changed = prod.synthesised(observability__cpu_alarm_percent=77)
    assert succeeded(prod.deploy("Observability", of=changed))
    alarms = prod.emulator.client("cloudwatch").describe_alarms(AlarmNames=["gantry-prod-cpu"])
    assert [alarm["Threshold"] for alarm in alarms["MetricAlarms"]] == [77]
    assert succeeded(prod.cdk("diff", "--fail", "Observability", of=changed))


def test_replacement_of_the_network_is_refused_and_denied_to_others(dev: SandboxedEnvironment) -> None:
    before = dev.stack("network")
    result = dev.deploy("Network", of=dev.synthesised(network__cidr="10.99.0.0/16"))
    assert result.returncode == 1
    said = " ".join(result.stderr.split())
    assert re.search(r"AWS::EC2::VPC \w+ would be replaced: CidrBlock cannot change \(network.cidr\)", said)
    assert dev.stack("network") == before
    policy = dev.emulator.client("cloudformation").get_stack_policy(StackName="gantry-dev-network")
    assert json.loads(policy["StackPolicyBody"]) == POLICY


def test_update_that_fails_leaves_everything_as_it_was(dev: SandboxedEnvironment) -> None:
    # No two networks can be had at once: what later layers use of this one would have to go first.
    moved = dev.synthesised(network__cidr="10.99.0.0/16")
    lost = (each.logical_id for each in moved.assembly.resources)
    result = dev.cdk("deploy", "Network", "--exclusively", "-c", f"lose={','.join(lost)}", of=moved)
    assert result.returncode == 1
    assert dev.stack("network")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert succeeded(dev.cdk("diff", "--fail", "Network"))


def test_production_cannot_be_destroyed_by_a_slip(prod: SandboxedEnvironment) -> None:
    result = prod.cdk("destroy", "--exclusively", "Observability", "--force")
    assert "TerminationProtection is enabled" in result.stdout + result.stderr
    assert prod.stack("observability")["StackStatus"].endswith("_COMPLETE")


def test_destroying_a_cheap_environment_leaves_nothing(dev: SandboxedEnvironment) -> None:
    emulator = dev.emulator
    bucket = emulator.outputs("gantry-dev-state")["AssemblyBucketName"]
    for version in ("first", "second"):
        emulator.client("s3").put_object(Bucket=bucket, Key="assembly.zip", Body=version)
    stacks = [dev.stack(layer)["StackId"] for layer in layers(dev)]
    assert succeeded(dev.cdk("destroy", "--all", "--force"))
    assert [emulator.stack(identity)["StackStatus"] for identity in stacks] == ["DELETE_COMPLETE"] * 6
    assert [found for found in kept(emulator, stacks) if "gantry-dev" in found] == []
    assert [name for name in leftovers(emulator) if "gantry-dev" in name or "gantry/dev" in name] == []
    assert list((emulator.state_dir / "postgres").glob("*gantry-dev")) == []
    assert [port for port in emulator.sandbox.status().ports if "gantry-dev" in port] == []


def layers(environment: SandboxedEnvironment) -> list[str]:
    return [stack.layer for stack in environment.synthesised().assembly.stacks]


def kept(emulator: Emulator, stacks: Sequence[str]) -> list[str]:
    """Return which resources stacks did not delete with themselves; a call of a function is none."""
    client = emulator.client("cloudformation")
    events = (
        event for stack in stacks for event in client.describe_stack_events(StackName=stack)["StackEvents"]
    )
    return [
        str(event)
        for event in events
        if event["ResourceStatus"] in {"DELETE_SKIPPED", "DELETE_FAILED"}
        and event["ResourceType"] != "Custom::VpcRestrictDefaultSG"
    ]


def leftovers(emulator: Emulator) -> list[str]:
    """Return the names of what costs money or takes a name for itself."""
    client = emulator.client
    found = [
        client("rds").describe_db_clusters()["DBClusters"],
        client("elasticache").describe_serverless_caches()["ServerlessCaches"],
        client("elbv2").describe_load_balancers()["LoadBalancers"],
        client("ecs").list_services(cluster="gantry-dev")["serviceArns"],
        client("ecr").describe_repositories()["repositories"],
        client("secretsmanager").list_secrets()["SecretList"],
        client("s3").list_buckets()["Buckets"],
        client("dynamodb").list_tables()["TableNames"],
        client("lambda").list_functions()["Functions"],
        client("iam").list_roles()["Roles"],
        client("logs").describe_log_groups()["logGroups"],
        client("cloudwatch").describe_alarms()["MetricAlarms"],
        client("sns").list_topics()["Topics"],
        client("kms").list_aliases()["Aliases"],
        client("ec2").describe_vpcs()["Vpcs"],
    ]
    return [str(each) for group in found for each in group]


def test_environments_that_are_left_are_not_touched(prod: SandboxedEnvironment) -> None:
    assert prod.stack("compute")["StackStatus"] == "CREATE_COMPLETE"
    assert Path(prod.emulator.state_dir, "postgres", "us-east-1.gantry-prod").exists()
