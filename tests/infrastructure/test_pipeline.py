"""The pipeline: what it does in which order, who may act as whom, and what becomes of artefacts."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.stack_policy import POLICY
from ops.assembly import Assembly, Resource, read
from stacks.pipeline import Pipeline
from stacks.settings import Settings, SettingsError, load_pipeline, load_settings
from tests.infrastructure.synthesis import BUILD_DIR, ROOT, Synthesiser, as_list, new_app

SETTINGS = load_pipeline("pipeline")


@pytest.fixture(scope="module")
def assembly(synthesise: Synthesiser) -> Assembly:
    return read(synthesise.pipeline(), environment="pipeline")


def of_type(assembly: Assembly, resource_type: str) -> list[Resource]:
    return [resource for resource in assembly.resources if resource.type == resource_type]


def stages(assembly: Assembly) -> dict[str, list[dict[str, Any]]]:
    (pipeline,) = of_type(assembly, "AWS::CodePipeline::Pipeline")
    return {
        stage["Name"]: sorted(stage["Actions"], key=lambda action: action["RunOrder"])
        for stage in pipeline.get("Stages")
    }


def statements(assembly: Assembly, path: str) -> Iterator[dict[str, Any]]:
    """Yield the statements of the policies under a path."""
    for policy in of_type(assembly, "AWS::IAM::Policy"):
        if path in policy.path:
            yield from policy.get("PolicyDocument", "Statement")


def allowed(assembly: Assembly, path: str) -> set[str]:
    granted = [s for s in statements(assembly, path) if s["Effect"] == "Allow"]
    denied = [s for s in statements(assembly, path) if s["Effect"] == "Deny"]
    return {a for s in granted for a in as_list(s["Action"])} - {
        a for s in denied for a in as_list(s["Action"])
    }


def build_specs(assembly: Assembly) -> dict[str, str]:
    """Return what the builds run, by their construct; builds of assets read theirs from the assembly."""
    return {
        project.path: spec if spec.startswith("{") else (assembly.directory / spec).read_text()
        for project in of_type(assembly, "AWS::CodeBuild::Project")
        for spec in [_text(project.get("Source", "BuildSpec"))]
    }


def _text(spec: str | dict[str, Any]) -> str:
    if isinstance(spec, str):
        return spec
    return "".join(part if isinstance(part, str) else "…" for part in spec["Fn::Join"][1])


def test_one_environment_is_deployed_after_the_other(assembly: Assembly) -> None:
    assert list(stages(assembly)) == ["Source", "Build", "UpdatePipeline", "Assets", "Staging", "Prod"]


def test_push_to_the_branch_is_what_starts_it(assembly: Assembly) -> None:
    (source,) = stages(assembly)["Source"]
    assert source["Configuration"]["FullRepositoryId"] == SETTINGS.repository
    assert source["Configuration"]["BranchName"] == SETTINGS.branch
    assert source["Configuration"]["ConnectionArn"] == SETTINGS.connection_arn
    assert source["Configuration"].get("DetectChanges", True) is True


def test_source_may_use_its_connection_and_no_other(assembly: Assembly) -> None:
    uses = [s for s in statements(assembly, "/Source/") if "codeconnections:UseConnection" in s["Action"]]
    assert [use["Resource"] for use in uses] == [SETTINGS.connection_arn]


def test_tests_run_before_anything_is_deployed(assembly: Assembly) -> None:
    (spec,) = (spec for path, spec in build_specs(assembly).items() if "/Synth/" in path)
    commands = json.loads(spec)["phases"]["build"]["commands"]
    assert commands.index("./gantry test") < commands.index(
        "./gantry cdk synth --quiet -c environment=pipeline"
    )


def test_region_of_the_builder_is_not_taken_for_the_environments(assembly: Assembly) -> None:
    (spec,) = (spec for path, spec in build_specs(assembly).items() if "/Synth/" in path)
    assert json.loads(spec)["phases"]["build"]["commands"][0] == "unset AWS_REGION"


def test_it_updates_itself_before_it_deploys(assembly: Assembly) -> None:
    (spec,) = (spec for path, spec in build_specs(assembly).items() if "/SelfMutation" in path)
    assert "cdk -a . deploy Pipeline --require-approval=never" in spec
    assert list(stages(assembly)).index("UpdatePipeline") < list(stages(assembly)).index("Staging")


def test_tools_are_those_that_the_repository_pins(assembly: Assembly) -> None:
    cdk = json.loads((ROOT / "package.json").read_text())["dependencies"]["aws-cdk"]
    specs = build_specs(assembly)
    for path, spec in specs.items():
        installs = [line for line in spec.splitlines() if "npm install" in line]
        assert all(f"aws-cdk@{cdk}" in line or "cdk-assets@" in line for line in installs), path
        assert "@latest" not in spec
    assert sum(f"aws-cdk@{cdk}" in spec for spec in specs.values()) == 2  # its update and the check of rights


def last_actions(assembly: Assembly, name: str) -> dict[str, dict[str, Any]]:
    actions = stages(assembly)[name]
    return {action["Name"]: action for action in actions if action["RunOrder"] == actions[-1]["RunOrder"]}


def test_each_stage_ends_with_a_question_to_the_service(assembly: Assembly) -> None:
    for name in ("Staging", "Prod"):
        last = last_actions(assembly, name)["HealthCheck"]
        assert "ServiceUrl" in json.dumps(last["Configuration"])
        (spec,) = (spec for path, spec in build_specs(assembly).items() if f"/{name}/HealthCheck" in path)
        assert "curl --fail" in spec
        assert "$SERVICE_URL/healthz" in spec


def access_role(assembly: Assembly, environment: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a stage's role for stack policies as its trust policy, and what it allows."""
    directory = assembly.directory / f"assembly-{environment.capitalize()}"
    templates = [json.loads(path.read_text()) for path in directory.glob("*PipelineAccess*.template.json")]
    (resources,) = (template["Resources"].values() for template in templates)
    (trust,) = (
        statement
        for each in resources
        if each["Type"] == "AWS::IAM::Role"
        for statement in each["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    )
    allowed = [
        statement
        for each in resources
        if each["Type"] == "AWS::IAM::Policy"
        for statement in each["Properties"]["PolicyDocument"]["Statement"]
    ]
    return trust, allowed


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_each_stage_sets_the_policy_of_every_stack_whether_or_not_the_service_is_healthy(
    assembly: Assembly, tmp_path: Path, environment: str
) -> None:
    """Runs the step's commands with an `aws` that writes down what it is asked."""
    stage, settings = environment.capitalize(), load_settings(environment, environ={})
    assert "StackPolicies" in last_actions(assembly, stage)
    (project,) = (
        each
        for each in of_type(assembly, "AWS::CodeBuild::Project")
        if f"/{stage}/StackPolicies" in each.path
    )
    variables = {each["Name"]: each["Value"] for each in project.get("Environment", "EnvironmentVariables")}
    spec = build_specs(assembly)[project.path]
    asked = tmp_path / "asked"
    aws = tmp_path / "aws"
    aws.write_text(
        f"#!{sys.executable}\nimport sys\nprint(*sys.argv[1:], sep='\\0', file=open('{asked}', 'a'))\n"
    )
    aws.chmod(0o755)
    for command in json.loads(spec)["phases"]["build"]["commands"]:
        environ = variables | {"PATH": f"{tmp_path}:/bin:/usr/bin"}
        subprocess.run(["/bin/sh", "-ec", command], env=environ, check=True)
    calls = [line.split("\0") for line in asked.read_text().splitlines()]
    profile = {tuple(call[2:]) for call in calls if call[0] == "configure"}
    role = f"arn:aws:iam::{settings.account}:role/gantry-{environment}-stack-policies"
    assert profile == {
        ("profile.stage.credential_source", "EcsContainer"),
        ("profile.stage.role_arn", role),
    }
    policies = [call for call in calls if call[:2] == ["cloudformation", "set-stack-policy"]]
    options = [dict(zip(call[2::2], call[3::2], strict=True)) for call in policies]
    assert {each["--stack-name"]: each["--region"] for each in options} == {
        settings.stack_name(layer): region for layer, region in settings.places.items()
    }
    assert all(each["--profile"] == "stage" for each in options)
    assert all(json.loads(each["--stack-policy-body"]) == POLICY for each in options)


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_only_the_step_may_set_stack_policies_and_nothing_else(assembly: Assembly, environment: str) -> None:
    settings = load_settings(environment, environ={})
    (step,) = (
        role
        for role in of_type(assembly, "AWS::IAM::Role")
        if role.get("RoleName") == f"gantry-pipeline-{environment}"
    )
    assert step.get("AssumeRolePolicyDocument", "Statement")[0]["Principal"] == {
        "Service": "codebuild.amazonaws.com"
    }
    trust, allows = access_role(assembly, environment)
    assert trust["Condition"] == {
        "ArnEquals": {
            "aws:PrincipalArn": f"arn:aws:iam::{SETTINGS.account}:role/gantry-pipeline-{environment}"
        }
    }
    assert f":{SETTINGS.account}:root" in json.dumps(trust["Principal"])
    (statement,) = allows
    assert statement["Action"] == "cloudformation:SetStackPolicy"
    assert set(as_list(statement["Resource"])) == {
        f"arn:aws:cloudformation:{region}:{settings.account}:stack/{settings.stack_name(layer)}/*"
        for layer, region in settings.places.items()
    }


def test_layers_are_deployed_in_their_order(assembly: Assembly) -> None:
    for name in ("Staging", "Prod"):
        deployed = [
            action["Name"].removesuffix(".Deploy").rsplit("-", 1)[-1]
            for action in stages(assembly)[name]
            if action["Name"].endswith(".Deploy")
        ]
        ordered = [
            layer for layer in deployed if layer in ("state", "network", "data", "compute", "security")
        ]
        assert ordered == ["state", "network", "data", "compute", "security"]
        assert deployed.index("recovery") < deployed.index("data")


def test_person_is_asked_before_prod_alone_and_only_about_broader_permissions(assembly: Assembly) -> None:
    manual = {
        name: [a["Name"] for a in actions if a["ActionTypeId"]["Category"] == "Approval"]
        for name, actions in stages(assembly).items()
    }
    assert {name: found for name, found in manual.items() if found} == {
        "Prod": ["PermissionsBroadening.Confirm"]
    }
    names = [action["Name"] for action in stages(assembly)["Prod"]]
    assert names[:2] == ["PermissionsBroadening.Check", "PermissionsBroadening.Confirm"]
    (spec,) = (spec for path, spec in build_specs(assembly).items() if "CDKSecurityCheck" in path)
    assert "cdk diff -a . --security-only --fail" in spec


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Return a pipeline that asks no one, with stages of the other architecture."""
    outdir = tmp_path_factory.mktemp("silent")
    app = new_app(outdir)
    settings = load_pipeline("pipeline", overrides={"confirm_permissions_broadening": "[]"})
    Pipeline(app, settings=settings, stages=on_x86("staging", "prod"), build_dir=BUILD_DIR)
    app.synth()
    return read(outdir, environment="pipeline")


def test_no_one_is_asked_where_no_stage_is_named(silent: Assembly) -> None:
    assert "Approval" not in {a["ActionTypeId"]["Category"] for s in stages(silent).values() for a in s}


def test_only_the_build_of_images_is_privileged(assembly: Assembly) -> None:
    privileged = [
        project.path
        for project in of_type(assembly, "AWS::CodeBuild::Project")
        if project.get("Environment", "PrivilegedMode")
    ]
    assert len(privileged) == 1
    assert privileged[0].endswith("/Assets/DockerAsset/Resource")


def test_images_are_built_on_the_architecture_that_they_run_on(assembly: Assembly) -> None:
    types = {p.get("Environment", "Type") for p in of_type(assembly, "AWS::CodeBuild::Project")}
    assert types == {"ARM_CONTAINER"}


def on_x86(*names: str) -> list[Settings]:
    stages = [load_settings(stage, environ={}) for stage in SETTINGS.stages]
    x86 = {stage.environment: stage.ecs.model_copy(update={"cpu_architecture": "x86_64"}) for stage in stages}
    return [
        stage.model_copy(update={"ecs": x86[stage.environment]}) if stage.environment in names else stage
        for stage in stages
    ]


def test_builds_follow_the_architecture_of_the_stages(silent: Assembly) -> None:
    projects = of_type(silent, "AWS::CodeBuild::Project")
    assert {project.get("Environment", "Type") for project in projects} == {"LINUX_CONTAINER"}
    assert len({project.get("Environment", "Image") for project in projects}) == 1


def test_stages_of_two_architectures_are_refused(tmp_path: Path) -> None:
    stages = on_x86("prod")
    with pytest.raises(SettingsError, match=r"its stages differ \(staging arm64, prod x86_64\)"):
        Pipeline(new_app(tmp_path), settings=SETTINGS, stages=stages, build_dir=BUILD_DIR)


def test_roles_are_assumed_by_the_service_or_the_pipeline_alone(assembly: Assembly) -> None:
    (pipeline,) = of_type(assembly, "AWS::CodePipeline::Pipeline")
    trusted = {
        json.dumps(statement["Principal"])
        for role in of_type(assembly, "AWS::IAM::Role")
        for statement in role.get("AssumeRolePolicyDocument", "Statement")
    }
    assert trusted == {
        '{"Service": "codepipeline.amazonaws.com"}',
        '{"Service": "codebuild.amazonaws.com"}',
        '{"Service": "lambda.amazonaws.com"}',
        json.dumps({"AWS": pipeline.get("RoleArn")}),
    }


def test_build_that_runs_the_repositorys_code_may_assume_no_role(assembly: Assembly) -> None:
    """Tests and synthesis run what was pushed; only later steps touch an account."""
    for path in ("/Build/Synth/", "/HealthCheck/"):
        services = {action.split(":")[0] for action in allowed(assembly, path)}
        assert services <= {"logs", "s3", "kms"}, path


def test_no_build_starts_another(assembly: Assembly) -> None:
    for project in of_type(assembly, "AWS::CodeBuild::Project"):
        role = next(r for r in assembly.referents(project, project.get("ServiceRole")))
        granted = allowed(assembly, role.path.removesuffix("/Resource"))
        assert not {action for action in granted if action.startswith("codebuild:")}, project.path


def test_pipeline_acts_in_the_stages_accounts_as_the_bootstrap_lets_it(assembly: Assembly) -> None:
    assumed = [
        json.dumps(resource)
        for statement in statements(assembly, "Delivery/Pipeline/Pipeline/Role/")
        if statement["Action"] == "sts:AssumeRole"
        for resource in as_list(statement["Resource"])
    ]
    elsewhere = [arn for arn in assumed if ":role/" in arn]
    assert len(elsewhere) == 4  # two accounts, in two regions
    assert all(":role/cdk-hnb659fds-deploy-role-" in arn for arn in elsewhere)


def test_no_role_may_use_every_key(assembly: Assembly) -> None:
    for statement in statements(assembly, ""):
        if any(action.startswith("kms:") for action in as_list(statement["Action"])):
            assert "*" not in as_list(statement["Resource"])


def test_artefacts_are_encrypted_and_expire_in_every_region(assembly: Assembly) -> None:
    (pipeline,) = of_type(assembly, "AWS::CodePipeline::Pipeline")
    stores = pipeline.get("ArtifactStores")
    regions = {store["Region"] for store in stores}
    assert regions == {"us-east-1", "us-west-2"}
    assert all(
        store["ArtifactStore"]["EncryptionKey"]["Type"] == "KMS" for store in pipeline.get("ArtifactStores")
    )
    buckets = of_type(assembly, "AWS::S3::Bucket")
    assert {stack.region for stack in assembly.stacks} == regions
    for bucket in buckets:
        (rule,) = bucket.get("LifecycleConfiguration", "Rules")
        assert rule["ExpirationInDays"] == SETTINGS.artifact_retention_days
    encrypted = [b for b in buckets if "KMSMasterKeyID" in json.dumps(b.properties)]
    assert len(encrypted) == 2
    assert all(key.get("EnableKeyRotation") for key in of_type(assembly, "AWS::KMS::Key"))


def test_builds_log_to_one_encrypted_group_that_forgets(assembly: Assembly) -> None:
    group = next(
        g
        for g in of_type(assembly, "AWS::Logs::LogGroup")
        if g.get("LogGroupName") == "/gantry/pipeline/builds"
    )
    assert group.get("RetentionInDays") == SETTINGS.artifact_retention_days
    assert group.get("KmsKeyId")
    for project in of_type(assembly, "AWS::CodeBuild::Project"):
        target = project.get("LogsConfig", "CloudWatchLogs", "GroupName")
        assert list(assembly.referents(project, target)) == [group], project.path
    (approves,) = (each for each in of_type(assembly, "AWS::Lambda::Function") if "Approve" in each.path)
    assert list(assembly.referents(approves, approves.get("LoggingConfig", "LogGroup"))) == [group]


def from_events(resources: Iterable[Resource]) -> Iterator[dict[str, Any]]:
    """Yield the statements of resources' own policies that let EventBridge in."""
    for resource in resources:
        policy = resource.get("KeyPolicy") or resource.get("PolicyDocument") or {"Statement": []}
        yield from (
            s for s in policy["Statement"] if s.get("Principal") == {"Service": "events.amazonaws.com"}
        )


def test_failure_and_what_waits_for_a_person_notify(assembly: Assembly) -> None:
    (rule,) = of_type(assembly, "AWS::Events::Rule")
    assert rule.get("EventPattern", "detail") == {"pipeline": ["gantry-pipeline"], "state": ["FAILED"]}
    (topic,) = of_type(assembly, "AWS::SNS::Topic")
    assert list(assembly.referents(rule, rule.get("Targets"))) == [topic]
    # EventBridge does not say for whom it publishes: under a condition on that nothing would arrive.
    assert "aws:Source" not in json.dumps(list(from_events(of_type(assembly, "AWS::SNS::TopicPolicy"))))
    assert "aws:Source" not in json.dumps(list(from_events(of_type(assembly, "AWS::KMS::Key"))))
    assert len(list(from_events(assembly.resources))) == 2
    check = stages(assembly)["Prod"][0]
    assert topic.logical_id in json.dumps(check["Configuration"])


def test_only_its_own_stacks_are_at_the_top(assembly: Assembly) -> None:
    """`cdk deploy --all` deploys the pipeline, not its stages; and no stack exists only for references."""
    assert [stack.name for stack in assembly.stacks] == ["gantry-pipeline-artifacts", "gantry-pipeline"]


def test_pipeline_of_one_region_needs_no_other_stack(synthesise: Synthesiser) -> None:
    alone = read(
        synthesise.pipeline({"stages": '["dev"]', "confirm_permissions_broadening": "[]"}),
        environment="pipeline",
    )
    assert [stack.name for stack in alone.stacks] == ["gantry-pipeline"]
