"""The service: what it runs as, its variables, and how it is rolled back."""

import json
import re
from typing import Any

import pytest

from contract.service import VARIABLES
from ops.assembly import Resource
from tests.infrastructure.synthesis import Synthesised, Synthesiser, as_list
from tests.infrastructure.variants import CERTIFICATE, PRIVATE_IMAGE, REGISTRY_KEY


def container(platform: Synthesised) -> dict[str, Any]:
    (only,) = platform.only("AWS::ECS::TaskDefinition").get("ContainerDefinitions")
    assert isinstance(only, dict)
    return only


def variables(platform: Synthesised) -> dict[str, Any]:
    return {entry["Name"]: entry["Value"] for entry in container(platform)["Environment"]}


def container_reads(platform: Synthesised) -> set[str]:
    plain, secret = set(variables(platform)), {entry["Name"] for entry in container(platform)["Secrets"]}
    assert not plain & secret
    return plain | secret


def test_container_gets_exactly_what_its_contract_promises(platform: Synthesised) -> None:
    # The environment's own variables may have another number of workers.
    assert container_reads(platform) == VARIABLES - {"DATABASE_PREPARED_STATEMENTS"} | {"WEB_CONCURRENCY"}


def test_container_behind_a_proxy_has_a_variable_for_it(synthesise: Synthesiser) -> None:
    assert container_reads(synthesise.having("prod", {"aurora.proxy": True})) == VARIABLES | {
        "WEB_CONCURRENCY"
    }


def test_container_has_one_worker_for_each_vcpu_unless_a_variable_says_otherwise(
    synthesise: Synthesiser,
) -> None:
    def workers(**settings: object) -> str:
        having = {f"ecs.{name}": value for name, value in settings.items()}
        return str(variables(synthesise.having("prod", having))["WEB_CONCURRENCY"])

    assert workers(cpu=256, memory_mib=1024) == "1"
    assert workers(cpu=4096, memory_mib=8192) == "4"
    assert workers(**{"environment.WEB_CONCURRENCY": "3"}) == "3"


def test_container_can_do_little(platform: Synthesised) -> None:
    definition = container(platform)
    assert definition["ReadonlyRootFilesystem"] is True
    assert int(definition["User"].split(":")[0]) > 0
    assert definition.get("Privileged", False) is False
    assert definition["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert platform.only("AWS::ECS::Service").get("EnableExecuteCommand", default=False) is False


def test_container_knows_how_long_it_has_to_stop(platform: Synthesised) -> None:
    seconds = platform.settings.ecs.stop_timeout_seconds
    assert container(platform)["StopTimeout"] == seconds
    assert variables(platform)["STOP_TIMEOUT_SECONDS"] == str(seconds)


def test_task_has_its_time_to_start_from_everything_that_counts_it(synthesise: Synthesiser) -> None:
    platform = synthesise.having(
        "prod", {"ecs.start_seconds": 900, "deployment.alternate_target_group": True}
    )
    assert platform.only("AWS::ECS::Service").get("HealthCheckGracePeriodSeconds") == 900
    assert container(platform)["HealthCheck"]["StartPeriod"] == 300
    unhealthy = {
        alarm.get("AlarmName").removeprefix("gantry-prod-"): alarm.get("EvaluationPeriods")
        for alarm in platform.of_type("AWS::CloudWatch::Alarm")
        if "UnHealthyHostCount" in json.dumps(dict(alarm.properties))
    }
    assert unhealthy == {
        "deployment-unhealthy-targets": 19,
        "deployment-alternate-unhealthy-targets": 19,
        "unhealthy-targets": 29,
    }
    usual = synthesise("prod")
    assert container(usual)["HealthCheck"]["StartPeriod"] == usual.settings.ecs.start_seconds


def test_load_balancer_and_container_ask_the_same_path(platform: Synthesised) -> None:
    group = platform.only("AWS::ElasticLoadBalancingV2::TargetGroup")
    assert group.get("HealthCheckPath") == "/healthz"
    assert ":8080/healthz" in container(platform)["HealthCheck"]["Command"][-1]
    assert variables(platform)["PORT"] == "8080"


def test_image_without_python_names_its_own_health_check_or_none(synthesise: Synthesiser) -> None:
    own = synthesise.having("sandbox", {"ecs.health_check_command": ["/bin/healthy"]})
    assert container(own)["HealthCheck"]["Command"] == ["CMD", "/bin/healthy"]
    none = synthesise.having("sandbox", {"ecs.health_check_command": []})
    assert "HealthCheck" not in container(none)


def exec_log(platform: Synthesised) -> list[Resource]:
    groups = platform.of_type("AWS::Logs::LogGroup")
    return [group for group in groups if str(group.get("LogGroupName")).endswith("/exec")]


def test_no_one_gets_a_shell_unless_asked_for(platform: Synthesised) -> None:
    assert not exec_log(platform)
    assert platform.only("AWS::ECS::Service").get("EnableExecuteCommand") is False
    assert platform.only("AWS::ECS::Cluster").get("Configuration") is None


def test_every_session_in_a_container_is_logged_encrypted(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", {"ecs.execute_command": True})
    cluster = platform.only("AWS::ECS::Cluster")
    configuration = cluster.get("Configuration", "ExecuteCommandConfiguration")
    assert configuration["Logging"] == "OVERRIDE"
    assert configuration["LogConfiguration"]["CloudWatchEncryptionEnabled"] is True
    name = configuration["LogConfiguration"]["CloudWatchLogGroupName"]
    assert list(platform.assembly.referents(cluster, name)) == exec_log(platform)
    assert platform.only("AWS::ECS::Service").get("EnableExecuteCommand") is True
    assert container(platform)["ReadonlyRootFilesystem"] is False


def test_task_with_a_shell_may_open_channels_and_log_and_nothing_else(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", {"ecs.execute_command": True})
    policy = platform.only("AWS::IAM::Policy", path="TaskRole")
    actions = {action for s in policy.get("PolicyDocument", "Statement") for action in as_list(s["Action"])}
    assert {action.partition(":")[0] for action in actions} == {"logs", "ssmmessages"}
    writing = [s for s in policy.get("PolicyDocument", "Statement") if "logs:PutLogEvents" in s["Action"]]
    assert [list(platform.assembly.referents(policy, s["Resource"])) for s in writing] == [exec_log(platform)]


def test_addresses_are_plain_so_that_a_new_one_rolls_out(platform: Synthesised) -> None:
    task = platform.only("AWS::ECS::TaskDefinition")
    for variable, source in {"DATABASE_HOST": "Database/Cluster", "VALKEY_HOST": "Cache/Cache"}.items():
        (origin,) = platform.assembly.referents(task, variables(platform)[variable])
        assert origin.construct == source


def test_tasks_run_on_graviton_in_every_environment(platform: Synthesised) -> None:
    task = platform.only("AWS::ECS::TaskDefinition")
    assert task.get("RuntimePlatform", "CpuArchitecture") == "ARM64"


def test_tasks_and_image_are_of_the_same_architecture(synthesise: Synthesiser) -> None:
    platform = synthesise.having("prod", {"ecs.cpu_architecture": "x86_64"})
    task = platform.only("AWS::ECS::TaskDefinition")
    assert task.get("RuntimePlatform", "CpuArchitecture") == "X86_64"
    assets = (platform.assembly.directory / "Compute.assets.json").read_text()
    assert '"platform": "linux/amd64"' in assets
    assert "linux/arm64" not in assets


def test_own_variables_reach_the_container(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", {"ecs.environment.FEATURE_X": "on"})
    assert variables(platform)["FEATURE_X"] == "on"


def test_deployment_keeps_all_tasks_and_rolls_itself_back(platform: Synthesised) -> None:
    configuration = platform.only("AWS::ECS::Service").get("DeploymentConfiguration")
    assert configuration["MinimumHealthyPercent"] == 100
    assert configuration["MaximumPercent"] == 200
    assert configuration["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_deployment_is_rolled_back_by_metric_alarms_of_the_same_stack(platform: Synthesised) -> None:
    """ECS watches no composite alarms, and alarms of a later layer would tie the two into a cycle."""
    service = platform.only("AWS::ECS::Service")
    alarms = service.get("DeploymentConfiguration", "Alarms")
    assert alarms["Enable"] is True
    assert alarms["Rollback"] is True
    watched = list(platform.assembly.referents(service, alarms["AlarmNames"]))
    assert {each.name for each in watched} == {"ServerErrorsAlarm", "UnhealthyTargetsAlarm"}
    assert {(each.type, each.stack) for each in watched} == {("AWS::CloudWatch::Alarm", "Compute")}


def execution_statements(platform: Synthesised) -> list[dict[str, Any]]:
    policy = platform.only("AWS::IAM::Policy", path="Web/TaskDefinition/ExecutionRole")
    statements: list[dict[str, Any]] = policy.get("PolicyDocument", "Statement")
    return statements


def pulled_from(platform: Synthesised) -> list[str]:
    return [
        str(statement["Resource"])
        for statement in execution_statements(platform)
        if "ecr:BatchGetImage" in statement["Action"]
    ]


def test_image_in_ecr_is_pulled_from_its_repository(synthesise: Synthesiser) -> None:
    """The names of a registry: tests/unit/stacks/test_images.py."""
    registry = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
    image = f"{registry}/gantry/sandbox:v1@sha256:{'0' * 64}"
    platform = synthesise.having("sandbox", {"container_image": image})
    assert container(platform)["Image"] == image
    assert pulled_from(platform) == ["arn:aws:ecr:us-east-1:000000000000:repository/gantry/sandbox"]
    assert variables(platform)["SERVICE_VERSION"] == "v1"


@pytest.mark.long
@pytest.mark.parametrize(
    "registry",
    [
        "444455556666.dkr.ecr-fips.us-west-2.amazonaws.com",
        "000000000000.dkr-ecr.us-east-1.on.aws",
        "000000000000.dkr-ecr-fips.us-east-1.on.aws",
        "000000000000.dkr.ecr.cn-north-1.amazonaws.com.cn",
        "000000000000.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
    ],
)
def test_image_in_ecr_is_pulled_by_every_name_of_its_registry(synthesise: Synthesiser, registry: str) -> None:
    platform = synthesise("sandbox", {"container_image": f"{registry}/gantry/sandbox:v1"})
    region = next(part for part in registry.split(".") if part[:3] in ("us-", "cn-"))
    assert pulled_from(platform) == [f"arn:aws:ecr:{region}:{registry[:12]}:repository/gantry/sandbox"]


def test_version_is_the_tag_of_a_named_image_or_else_its_digest(synthesise: Synthesiser) -> None:
    image = f"public.ecr.aws/team/app@sha256:{'0' * 64}"
    assert variables(synthesise.having("sandbox", {"container_image": image}))["SERVICE_VERSION"] == "0" * 12


def test_version_of_a_built_image_is_the_hash_of_what_it_is_built_from(prod: Synthesised) -> None:
    version = variables(prod)["SERVICE_VERSION"]
    assert re.fullmatch(r"[0-9a-f]{12}", version)
    assert f":{version}" in json.dumps(container(prod)["Image"])


def test_image_of_a_public_registry_is_granted_nothing(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", {"container_image": "public.ecr.aws/team/app:v1"})
    assert container(platform)["Image"] == "public.ecr.aws/team/app:v1"
    assert pulled_from(platform) == []
    assert "RepositoryCredentials" not in container(platform)


def test_registry_with_credentials_is_asked_with_that_one_secret(synthesise: Synthesiser) -> None:
    secret = PRIVATE_IMAGE["ecs.registry_secret_arn"]
    platform = synthesise.having("sandbox", {"ecs.registry_secret_key_arn": REGISTRY_KEY})
    assert container(platform)["RepositoryCredentials"] == {"CredentialsParameter": secret}
    statements = execution_statements(platform)
    assert any(secret in as_list(statement["Resource"]) for statement in statements)
    (decrypt,) = (statement for statement in statements if REGISTRY_KEY in as_list(statement["Resource"]))
    assert decrypt["Action"] == "kms:Decrypt"
    assert decrypt["Condition"]["StringEquals"]["kms:EncryptionContext:SecretARN"] == [secret]
    plain = synthesise.having("sandbox", PRIVATE_IMAGE | {"load_balancer.certificate_arn": CERTIFICATE})
    assert REGISTRY_KEY not in str(execution_statements(plain))


def test_sandbox_builds_no_image(sandbox: Synthesised) -> None:
    """There is no container engine on a laptop that has only Python and git."""
    assets = (sandbox.assembly.directory / "Compute.assets.json").read_text()
    assert '"dockerImages": {}' in assets


def test_prod_builds_its_image_from_the_service(prod: Synthesised) -> None:
    assets = (prod.assembly.directory / "Compute.assets.json").read_text()
    assert '"platform": "linux/arm64"' in assets


def test_container_writes_to_the_volumes_that_it_is_given_and_nowhere_else(synthesise: Synthesiser) -> None:
    platform = synthesise.having("prod", {"ecs.writable_paths": ["/tmp", "/service/uploads"]})
    task = platform.only("AWS::ECS::TaskDefinition")
    # Without a host path: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mount-examples.html
    names = [volume.pop("Name") for volume in map(dict, task.get("Volumes"))]
    mounts = container(platform)["MountPoints"]
    assert {mount["ContainerPath"]: mount["SourceVolume"] for mount in mounts} == dict(
        zip(["/tmp", "/service/uploads"], names, strict=True)
    )
    assert not any(mount["ReadOnly"] for mount in mounts)
    assert container(platform)["ReadonlyRootFilesystem"] is True
    none = synthesise.having("prod", {"ecs.writable_paths": []})
    assert none.only("AWS::ECS::TaskDefinition").get("Volumes", default=None) is None
