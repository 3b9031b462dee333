"""A pipeline that builds a CDK app, updates itself, and deploys the app's stages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import CfnOutput, Duration, Stage, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from contract.stack_policy import POLICY
from gantry.delivery.pipeline_hardening import harden
from gantry.service.image import Architecture

_BUILD_IMAGES = {
    "arm64": codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_4_0,
    "x86_64": codebuild.LinuxBuildImage.AMAZON_LINUX_2023_6,
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """The branch whose pushes start a pipeline, reached through a connection of CodeConnections."""

    connection_arn: str
    repository: str
    branch: str


@dataclass(frozen=True, kw_only=True)
class ToolVersions:
    """Versions of what the builds run with; of Python and Node, what CodeBuild's image is asked for."""

    python: str
    node: str
    cdk: str
    cdk_assets: str


@dataclass(frozen=True, kw_only=True)
class StackProtection:
    """How a pipeline protects the stacks of a stage after it has deployed them.

    Attributes
    ----------
    role_name
        Name of the role of the step that does.
    assumed_role_arn
        What the step assumes, in the stage's account.
    stacks
        The stacks' regions by their names.
    """

    role_name: str
    assumed_role_arn: str
    stacks: Mapping[str, str]


class DeliveryPipeline(Construct):
    """A self-mutating pipeline; only the projects that build images run privileged.

    Parameters
    ----------
    name
        Of the pipeline.
    source
        What it builds.
    versions
        With which tools.
    architecture
        Processor of the builds, which is that of the images they build: another one would need an emulator
        that CodeBuild lacks.
    build_commands
        Test and synthesise; leave the cloud assembly in ``cdk.out``.
    artifact_buckets
        Buckets for artefacts, one in each region that it works in: its own and those that it deploys to.
    log_group
        Where the builds log to.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        source: Source,
        versions: ToolVersions,
        architecture: Architecture,
        build_commands: Sequence[str],
        artifact_buckets: Mapping[str, s3.IBucket],
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self._source, self._versions, self._log_group = source, versions, log_group
        self._build_image = _BUILD_IMAGES[architecture]
        self._artifact_buckets = list(artifact_buckets.values())
        self._pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            pipeline_name=name,
            synth=self._synth(source, build_commands),
            cli_version=versions.cdk,
            cdk_assets_cli_version=versions.cdk_assets,
            # With the own region among them, its bucket is the pipeline's own.
            cross_region_replication_buckets=dict(artifact_buckets),
            cross_account_keys=True,
            # One project for each kind of asset rather than one for each asset.
            publish_assets_in_parallel=False,
            code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=codebuild.BuildEnvironment(build_image=self._build_image),
                partial_build_spec=_runtimes(nodejs=versions.node),
                logging=codebuild.LoggingOptions(
                    cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)
                ),
                timeout=Duration.hours(1),
            ),
        )

    def _synth(self, source: Source, commands: Sequence[str]) -> pipelines.CodeBuildStep:
        return pipelines.CodeBuildStep(
            "Synth",
            input=pipelines.CodePipelineSource.connection(
                source.repository, source.branch, connection_arn=source.connection_arn
            ),
            commands=list(commands),
            primary_output_directory="cdk.out",
            build_environment=codebuild.BuildEnvironment(compute_type=codebuild.ComputeType.LARGE),
            partial_build_spec=_runtimes(python=self._versions.python),
        )

    def add_stage(
        self,
        stage: Stage,
        *,
        service_url: CfnOutput,
        health_path: str,
        confirm_permissions_broadening: bool,
        topic: sns.ITopic,
        protection: StackProtection,
    ) -> None:
        """Deploy a stage after the ones before it.

        Parameters
        ----------
        stage
            The stage.
        service_url, health_path
            What must answer before the pipeline goes on: an output of the stage, and a path under it.
        confirm_permissions_broadening
            Whether a person must release a change that broadens permissions.
        topic
            Notification topic for what waits for a person.
        protection
            Of the stage's stacks.
        """
        before = [
            pipelines.ConfirmPermissionsBroadening(
                "PermissionsBroadening", stage=stage, notification_topic=topic
            )
        ]
        self._pipeline.add_stage(
            stage,
            pre=before if confirm_permissions_broadening else None,
            post=[_health_check(service_url, health_path), self._stack_policies(stage, protection)],
        )

    def _stack_policies(self, stage: Stage, protection: StackProtection) -> pipelines.CodeBuildStep:
        role = iam.Role(
            self._pipeline,
            f"{stage.node.id}StackPolicies",
            role_name=protection.role_name,
            description=f"Sets the policies of the stacks of {stage.node.id}",
            assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"),
        )
        arn = protection.assumed_role_arn
        return pipelines.CodeBuildStep(
            "StackPolicies",
            role=role,
            role_policy_statements=[iam.PolicyStatement(actions=["sts:AssumeRole"], resources=[arn])],
            env={"STACK_POLICY": json.dumps(POLICY), "ROLE_ARN": arn},
            commands=[
                # A build has the credentials of its own role as a container has.
                "aws configure set profile.stage.credential_source EcsContainer",
                'aws configure set profile.stage.role_arn "$ROLE_ARN"',
                *(
                    f"aws cloudformation set-stack-policy --profile stage --region {region}"
                    f' --stack-name {name} --stack-policy-body "$STACK_POLICY"'
                    for name, region in protection.stacks.items()
                ),
            ],
        )

    def build(self) -> None:
        """Make the pipeline of what was added."""
        self._pipeline.build_pipeline()
        harden(
            self._pipeline,
            connection_arn=self._source.connection_arn,
            cdk_version=self._versions.cdk,
            build_image=self._build_image,
            log_group=self._log_group,
            artifact_buckets=self._artifact_buckets,
        )


def _runtimes(**versions: str) -> codebuild.BuildSpec:
    return codebuild.BuildSpec.from_object({"phases": {"install": {"runtime-versions": versions}}})


def _health_check(url: CfnOutput, path: str) -> pipelines.ShellStep:
    # The certificate is not compared: the address may be the load balancer's own, which is in none.
    return pipelines.ShellStep(
        "HealthCheck",
        env_from_cfn_outputs={"SERVICE_URL": url},
        commands=[
            "curl --fail --silent --show-error --insecure --max-time 10"
            f' --retry 12 --retry-delay 5 --retry-all-errors "$SERVICE_URL{path}"'
        ],
    )
