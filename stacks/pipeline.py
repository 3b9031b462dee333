"""Pipeline: deploys every push to one environment after the other."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import (
    App,
    Aws,
    CfnOutput,
    DefaultStackSynthesizer,
    Duration,
    Environment,
    ReferenceStrength,
    RemovalPolicy,
    Stack,
    Stage,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from contract.service import HEALTH_PATH
from gantry.delivery.artifact_store import ArtifactStore
from gantry.delivery.pipeline import DeliveryPipeline, Source, StackProtection
from gantry.monitoring.alert_topic import AlertTopic
from gantry.security.alert_rule import AlertRule
from gantry.service.image import Architecture
from stacks.layer import imported_key, retention, tag
from stacks.never_deployed import refuse_when_shown
from stacks.pins import tool_versions
from stacks.pipeline_access import PipelineAccessStack, stack_policy_setter
from stacks.platform import ROOT, Platform
from stacks.settings import PipelineSettings, Settings, SettingsError


class PlatformStage(Stage):
    """An environment as a pipeline deploys it: the same stacks, under the same names.

    Parameters
    ----------
    settings
        The environment's settings.
    pipeline
        The pipeline's.
    build_dir
        Where the functions' assets are built and kept.
    """

    def __init__(
        self, scope: App, *, settings: Settings, pipeline: PipelineSettings, build_dir: Path
    ) -> None:
        super().__init__(scope, settings.environment.capitalize())
        self.settings = settings
        self.platform = Platform(self, settings=settings, build_dir=build_dir)
        self.access = PipelineAccessStack(self, settings=settings, pipeline=pipeline)

    @property
    def places(self) -> set[tuple[str, str]]:
        """Every account and region that the environment has a stack in."""
        stacks = (child for child in self.node.children if isinstance(child, Stack))
        return {(stack.account, stack.region) for stack in stacks}

    @property
    def service_url(self) -> CfnOutput:
        """The output with the service's address."""
        output = self.platform.compute.node.find_child("ServiceUrl")
        if not isinstance(output, CfnOutput):
            raise TypeError(f"{output.node.path} is not an output")
        return output


class Pipeline:
    """A pipeline's stacks and its stages.

    Parameters
    ----------
    scope
        The app; the stages must not be in the pipeline's stack, whose tags they would take.
    settings
        The pipeline's settings.
    stages
        The settings of its stages, in order.
    build_dir
        Where the functions' assets are built and kept.
    """

    def __init__(
        self, scope: App, *, settings: PipelineSettings, stages: Sequence[Settings], build_dir: Path
    ) -> None:
        architecture = _architecture(stages)
        self.stages = [
            PlatformStage(scope, settings=stage, pipeline=settings, build_dir=build_dir) for stage in stages
        ]
        places = sorted(set[tuple[str, str]]().union(*(stage.places for stage in self.stages)))
        self.artifacts = [
            ArtifactsStack(
                scope,
                settings=settings,
                region=region,
                accounts=[account for account, each in places if each == region],
            )
            for region in sorted({region for _, region in places} - {settings.region})
        ]
        self.stack = PipelineStack(
            scope,
            settings=settings,
            stages=self.stages,
            architecture=architecture,
            artifacts=self.artifacts,
        )


class ArtifactsStack(Stack):
    """Artefacts in another region that the pipeline deploys to: CodePipeline reads them where it deploys."""

    def __init__(
        self, scope: App, *, settings: PipelineSettings, region: str, accounts: Sequence[str]
    ) -> None:
        super().__init__(
            scope,
            f"Artifacts-{region}",
            stack_name=f"{settings.full_name}-artifacts",
            env=Environment(account=settings.account, region=region),
            description="Gantry: artefacts of the pipeline for this region",
        )
        tag(self, settings)
        refuse_when_shown(self)
        self.bucket_name = f"{settings.full_name}-{settings.account}-{region}"
        store = ArtifactStore(
            self,
            "Artifacts",
            alias=f"{settings.full_name}/artifacts",
            retention=Duration.days(settings.artifact_retention_days),
            bucket_name=self.bucket_name,
            readers=[iam.ArnPrincipal(_deploy_role(account, region)) for account in accounts],
        )
        # CloudFormation has no exports between regions.
        store.key.apply_cross_stack_reference_strength(ReferenceStrength.WEAK)
        self.key: kms.IKey = store.key

    def imported(self, scope: Construct) -> s3.IBucket:
        """Return the bucket for the pipeline's stack, where the CDK would grant a key of this one as any."""
        construct_id = self.node.id
        return s3.Bucket.from_bucket_attributes(
            scope,
            construct_id,
            bucket_name=self.bucket_name,
            region=self.region,
            encryption_key=imported_key(scope, f"{construct_id}-Key", self.key),
        )


class PipelineStack(Stack):
    """The pipeline, its artefacts, and the topic for its failures and for what waits for a person."""

    def __init__(
        self,
        scope: App,
        *,
        settings: PipelineSettings,
        stages: Sequence[PlatformStage],
        architecture: Architecture,
        artifacts: Sequence[ArtifactsStack],
    ) -> None:
        super().__init__(
            scope,
            "Pipeline",
            stack_name=settings.full_name,
            env=Environment(account=settings.account, region=settings.region),
            description="Gantry: pipeline that deploys every push",
        )
        tag(self, settings)
        refuse_when_shown(self)
        log_group_name = f"/{settings.name}/{settings.environment}/builds"
        store = ArtifactStore(
            self,
            "Artifacts",
            alias=f"{settings.full_name}/artifacts",
            retention=Duration.days(settings.artifact_retention_days),
            log_group_name=log_group_name,
        )
        log_group = logs.LogGroup(
            self,
            "LogGroup",
            log_group_name=log_group_name,
            encryption_key=store.key,
            retention=retention(settings.artifact_retention_days),
            removal_policy=RemovalPolicy.DESTROY,
        )
        topic = self._alerts(settings, store)
        pipeline = DeliveryPipeline(
            self,
            "Delivery",
            name=settings.full_name,
            source=Source(
                connection_arn=settings.connection_arn,
                repository=settings.repository,
                branch=settings.branch,
            ),
            versions=tool_versions(ROOT),
            architecture=architecture,
            build_commands=[
                # CodeBuild's own region, which would take the place of the one in an environment's file.
                "unset AWS_REGION",
                # The archive of the source may come without file modes.
                "chmod +x gantry",
                "./gantry test",
                f"./gantry cdk synth --quiet -c environment={settings.environment}",
            ],
            artifact_buckets={
                settings.region: store.bucket,
                **{stack.region: stack.imported(self) for stack in artifacts},
            },
            log_group=log_group,
        )
        for stage in stages:
            pipeline.add_stage(
                stage,
                service_url=stage.service_url,
                health_path=HEALTH_PATH,
                confirm_permissions_broadening=stage.settings.environment
                in settings.confirm_permissions_broadening,
                topic=topic,
                protection=StackProtection(
                    role_name=stack_policy_setter(settings, stage.settings),
                    assumed_role_arn=stage.access.role_arn,
                    stacks={
                        stage.settings.stack_name(layer): region
                        for layer, region in stage.settings.places.items()
                    },
                ),
            )
        pipeline.build()
        CfnOutput(self, "PipelineName", value=settings.full_name)
        CfnOutput(self, "AlertTopicArn", value=topic.topic_arn)

    def _alerts(self, settings: PipelineSettings, store: ArtifactStore) -> sns.ITopic:
        # SNS names the topic that it encrypts for; EventBridge does not name the account that it acts for.
        store.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="PublishFromEvents",
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:sns:topicArn": self.format_arn(service="sns", resource="*")
                    }
                },
            )
        )
        topic = AlertTopic(self, "AlertTopic", key=store.key, publishers=["events"])
        AlertRule(
            self,
            "Failure",
            description="Failures of the pipeline",
            source="aws.codepipeline",
            detail_types=["CodePipeline Pipeline Execution State Change"],
            detail={"pipeline": [settings.full_name], "state": ["FAILED"]},
            message=f"The pipeline {settings.full_name} failed: execution <execution>.",
            values={"execution": "$.detail.execution-id"},
            topic=topic,
        )
        return topic


def _architecture(stages: Sequence[Settings]) -> Architecture:
    """Return the one processor that the stages' images are built for.

    Raises
    ------
    SettingsError
        When there are two: a build has one.
    """
    found = {stage.environment: stage.ecs.cpu_architecture for stage in stages if not stage.container_image}
    if len(set(found.values())) > 1:
        shown = ", ".join(f"{name} {architecture}" for name, architecture in found.items())
        raise SettingsError(
            f"a pipeline builds images for one processor, and its stages differ ({shown}): "
            "give them one ecs.cpu_architecture, or name a container_image"
        )
    return next(iter(found.values()), "arm64")


def _deploy_role(account: str, region: str) -> str:
    """Return the ARN of the role with which the CDK's bootstrap lets a pipeline deploy to a place."""
    arn = DefaultStackSynthesizer.DEFAULT_DEPLOY_ROLE_ARN
    for placeholder, value in {
        "${AWS::Partition}": Aws.PARTITION,
        "${AWS::AccountId}": account,
        "${AWS::Region}": region,
        "${Qualifier}": DefaultStackSynthesizer.DEFAULT_QUALIFIER,
    }.items():
        arn = arn.replace(placeholder, value)
    return arn
