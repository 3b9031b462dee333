"""What the CDK's pipelines leave open: unpinned tools, rights that nothing uses, findings that stay."""

from collections.abc import Sequence

from aws_cdk import CfnElement, Stack, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

from gantry.nag import HIPAA, NIST, PCI, acknowledge, shared

# Granted to every build by the CDK; nothing here reports tests, and no build starts another.
_UNUSED = (
    "codebuild:BatchGetBuilds",
    "codebuild:BatchPutCodeCoverages",
    "codebuild:BatchPutTestCases",
    "codebuild:CreateReport",
    "codebuild:CreateReportGroup",
    "codebuild:StartBuild",
    "codebuild:StopBuild",
    "codebuild:UpdateReport",
)
_UNPINNED = "npm install -g aws-cdk"
_CHECK = "PipelinesSecurityCheck"


def harden(
    pipeline: pipelines.CodePipeline,
    *,
    connection_arn: str,
    cdk_version: str,
    build_image: codebuild.IBuildImage,
    log_group: logs.ILogGroup,
    artifact_buckets: Sequence[s3.IBucket],
) -> None:
    """Close what can be closed of a pipeline that was built, and acknowledge the rest.

    Parameters
    ----------
    pipeline
        The pipeline.
    connection_arn
        What its source uses.
    cdk_version, build_image, log_group
        With what, in what, and where to the check of permissions and what approves run and log, like the
        other builds.
    artifact_buckets
        Its buckets.
    """
    _use_connection(pipeline, connection_arn)
    check = pipeline.node.try_find_child(_CHECK)
    if check is not None:
        project = check.node.find_child("CDKSecurityCheck")
        _pin_check(project, cdk_version, build_image, log_group)
        _log_approvals(check.node.find_child("CDKPipelinesAutoApprove"), log_group)
        _acknowledge_check(check)
    _deny_unused(pipeline)
    _acknowledge_grants(pipeline, artifact_buckets)


def _use_connection(pipeline: pipelines.CodePipeline, arn: str) -> None:
    """Let the source use its connection under the service's present name; the CDK knows the former one."""
    service = arn.split(":")[2]
    roles = (
        child
        for child in pipeline.pipeline.node.find_child("Source").node.find_all()
        if isinstance(child, iam.Role)
    )
    for role in roles:
        role.add_to_policy(iam.PolicyStatement(actions=[f"{service}:UseConnection"], resources=[arn]))


def _pin_check(
    project: IConstruct, cdk_version: str, image: codebuild.IBuildImage, log_group: logs.ILogGroup
) -> None:
    """Have the check of permissions run the pinned CDK CLI, in the image and to the log of the others."""
    resource = project.node.default_child
    if not isinstance(project, codebuild.Project) or not isinstance(resource, codebuild.CfnProject):
        raise TypeError(f"{project.node.path} is not a project")
    source = Stack.of(project).resolve(resource.source)
    parts = source["buildSpec"]["Fn::Join"][1]
    pinned = [
        part.replace(f'"{_UNPINNED}"', f'"{_UNPINNED}@{cdk_version}"') if isinstance(part, str) else part
        for part in parts
    ]
    if pinned == parts:
        raise LookupError(f"{project.node.path} does not run {_UNPINNED!r}")
    resource.add_property_override("Source.BuildSpec", {"Fn::Join": ["", pinned]})
    resource.add_property_override("Environment.Image", image.image_id)
    resource.add_property_override("Environment.Type", image.type)
    resource.add_property_override(
        "LogsConfig", {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": log_group.log_group_name}}
    )
    log_group.grant_write(project)


def _log_approvals(function: IConstruct, log_group: logs.ILogGroup) -> None:
    """Have the function log to an encrypted group, in place of the CDK's own for it."""
    resource = function.node.default_child
    if not isinstance(resource, lambda_.CfnFunction) or not function.node.try_remove_child("LogGroup"):
        raise TypeError(f"{function.node.path} is no function with a log group")
    resource.add_property_override("LoggingConfig.LogGroup", log_group.log_group_name)


def _deny_unused(pipeline: pipelines.CodePipeline) -> None:
    roles = {project.role.node.path: project.role for project in _projects(pipeline) if project.role}
    for role in roles.values():
        role.add_to_principal_policy(
            iam.PolicyStatement(
                sid="NeverUsed", effect=iam.Effect.DENY, actions=list(_UNUSED), resources=["*"]
            )
        )


def _projects(pipeline: pipelines.CodePipeline) -> list[codebuild.Project]:
    return [child for child in pipeline.node.find_all() if isinstance(child, codebuild.Project)]


def _acknowledge_grants(pipeline: pipelines.CodePipeline, buckets: Sequence[s3.IBucket]) -> None:
    acknowledge(
        pipeline,
        "The CDK grants the artefact buckets and their keys with these actions; both hold nothing but the "
        "pipeline's artefacts, which expire.",
        *_wildcards(
            "Action::s3:Abort*",
            "Action::s3:DeleteObject*",
            "Action::s3:GetBucket*",
            "Action::s3:GetObject*",
            "Action::s3:List*",
            "Action::kms:GenerateDataKey*",
            "Action::kms:ReEncrypt*",
            *(f"Resource::{_shown_arn(bucket)}/*" for bucket in buckets),
        ),
    )
    own = [f"<{_logical_id(project)}>" for project in _projects(pipeline) if _has_role_of_its_own(project)]
    group, reports = (
        _arn(pipeline, "logs", "log-group", "/aws/codebuild/"),
        _arn(pipeline, "codebuild", "report-group"),
    )
    acknowledge(
        pipeline,
        "The CDK grants every build a log group of its name and reports of tests. The builds log to the "
        "pipeline's own group, and a statement next to it denies the reports.",
        *_wildcards(
            *(f"Resource::{group}{name}:*" for name in own),
            *(f"Resource::{reports}{name}-*" for name in own),
            f"Resource::{group}*",
            f"Resource::{reports}*",
        ),
    )
    acknowledge(
        pipeline,
        "The source of each build is the pipeline's artefact; its own is authorised by a connection.",
        *shared("CodeBuildProjectSourceRepoUrl", (HIPAA, PCI)),
    )
    acknowledge(
        pipeline.node.find_child("Assets"),
        "The CDK lets the builds that publish assets start and stop any; a statement next to it denies it.",
        *_wildcards("Resource::*"),
    )
    acknowledge(
        pipeline.node.find_child("UpdatePipeline"),
        "The pipeline's update describes stacks and lists buckets of names that change with it, and assumes "
        "those roles of this account alone that carry the tag of the CDK's bootstrap.",
        *_wildcards("Resource::*", f"Resource::arn:*:iam::{Stack.of(pipeline).account}:role/*"),
    )


def _acknowledge_check(check: IConstruct) -> None:
    function = check.node.find_child("CDKPipelinesAutoApprove")
    acknowledge(
        check,
        "The check assumes those roles alone that carry the tag of a bootstrap's deploy role, and its "
        "function approves in those pipelines alone that carry the CDK's tag.",
        *_wildcards("Resource::*"),
    )
    acknowledge(
        function,
        "An approval that it does not give waits for a person: no event is lost. It asks CodePipeline alone.",
        *shared("LambdaDLQ", (NIST, HIPAA)),
        *shared("LambdaInsideVPC", (NIST, HIPAA, PCI)),
    )
    acknowledge(
        check,
        "The CDK's own function writes logs, and the check may run each of its versions.",
        "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
        "AWSLambdaBasicExecutionRole]",
        *_wildcards(f"Resource::<{_logical_id(function)}.Arn>:*"),
    )


def _wildcards(*what: str) -> list[str]:
    return [f"AwsSolutions-IAM5[{each}]" for each in what]


def _shown_arn(bucket: s3.IBucket) -> str:
    """Return a bucket's ARN as cdk-nag prints it: of a bucket of this stack by its logical id."""
    return f"<{_logical_id(bucket)}.Arn>" if bucket.node.default_child else bucket.bucket_arn


def _arn(scope: IConstruct, service: str, resource: str, name: str = "") -> str:
    stack = Stack.of(scope)
    separator = ":" if name else "/"
    return f"arn:{stack.partition}:{service}:{stack.region}:{stack.account}:{resource}{separator}{name}"


def _has_role_of_its_own(project: codebuild.Project) -> bool:
    """Return whether no other build shares the project's role, as those that publish assets do."""
    return project.role is not None and "/Assets/" not in project.role.node.path


def _logical_id(construct: IConstruct) -> str:
    resource = construct.node.default_child
    if not isinstance(resource, CfnElement):
        raise TypeError(f"{construct.node.path} is not a resource")
    return Stack.of(construct).get_logical_id(resource)
