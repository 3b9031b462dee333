"""A canary that asks the service how it is."""

from pathlib import Path

from aws_cdk import ArnFormat, Duration, Size, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_synthetics as synthetics
from constructs import Construct

from contract import log_groups
from gantry.monitoring.alarm import AlarmDefaults, NotifyingAlarm
from gantry.monitoring.log_groups import LogDefaults
from gantry.nag import acknowledge, exported_name

_SCRIPT = Path(__file__).with_name("health_probe.py")
_ARTIFACTS = "canary"
_RESULTS_KEPT = Duration.days(31)


class HealthCanary(Construct):
    """Gets one address every few minutes, from outside of the network, with an alarm on two failures.

    Parameters
    ----------
    name
        Name of the canary.
    url
        What is asked; it is well when it answers 200.
    interval
        How often.
    runtime
        Name of the runtime, of which the CDK knows but those that were there when it was released:
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Library_python_selenium.html
    artifacts
        Bucket, of another stack, that gets the results of runs under a prefix of their own.
    log_defaults
        Of its log group.
    alarm_defaults
        Name, topic and runbook of the alarm.

    Attributes
    ----------
    canary, alarm
        The canary, and the alarm on its success.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        url: str,
        interval: Duration,
        runtime: str,
        artifacts: s3.IBucket,
        log_defaults: LogDefaults,
        alarm_defaults: AlarmDefaults,
    ) -> None:
        super().__init__(scope, construct_id)
        role = self._role(name, artifacts)
        self.canary = synthetics.Canary(
            self,
            "Canary",
            canary_name=name,
            runtime=synthetics.Runtime(runtime, synthetics.RuntimeFamily.PYTHON),
            test=synthetics.Test.custom(
                code=synthetics.Code.from_inline(_SCRIPT.read_text(encoding="utf-8")), handler="index.handler"
            ),
            environment_variables={"URL": url},
            schedule=synthetics.Schedule.rate(interval),
            timeout=Duration.seconds(30),
            memory=Size.mebibytes(960),
            role=role,
            artifacts_bucket_location=synthetics.ArtifactsBucketLocation(bucket=artifacts, prefix=_ARTIFACTS),
            success_retention_period=_RESULTS_KEPT,
            failure_retention_period=_RESULTS_KEPT,
            provisioned_resource_cleanup=True,
        )
        self.canary.node.add_dependency(role)
        # The role may not make the group, so that Lambda leaves it to this one, with its key and retention.
        log_defaults.group(self, full_name=log_groups.canary(name, self.canary.canary_id))
        self.alarm = self._alarm(interval, alarm_defaults)

    def _role(self, name: str, artifacts: s3.IBucket) -> iam.Role:
        """Return a role with what a canary needs, each narrowed to this one where AWS knows how.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Canaries_CanaryPermissions.html
        """
        group = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=log_groups.canary(name),
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        # By its name, which others use too: an export of its ARN alone would go with the canary, too early.
        bucket = s3.Bucket.from_bucket_name(self, "Artifacts", artifacts.bucket_name)
        results = bucket.arn_for_objects(f"{_ARTIFACTS}/*")
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        for actions, resource, conditions in (
            (["s3:GetObject", "s3:PutObject"], results, None),
            (["s3:GetBucketLocation"], bucket.bucket_arn, None),
            (["s3:ListAllMyBuckets"], "*", None),
            (["logs:CreateLogStream", "logs:PutLogEvents"], group, None),
            (
                ["cloudwatch:PutMetricData"],
                "*",
                {"StringEquals": {"cloudwatch:namespace": "CloudWatchSynthetics"}},
            ),
        ):
            role.add_to_policy(
                iam.PolicyStatement(actions=actions, resources=[resource], conditions=conditions)
            )
        acknowledge(
            role,
            "Synthetics names the log group by an id that it gives the canary, and results by their time. "
            "cloudwatch:PutMetricData, here of one namespace, and s3:ListAllMyBuckets know no resource.",
            "AwsSolutions-IAM5[Resource::*]",
            f"AwsSolutions-IAM5[Resource::{group}]",
            f"AwsSolutions-IAM5[Resource::arn:aws:s3:::{exported_name(artifacts, artifacts.bucket_name)}"
            f"/{_ARTIFACTS}/*]",
        )
        return role

    def _alarm(self, interval: Duration, alarm_defaults: AlarmDefaults) -> NotifyingAlarm:
        """Return the alarm on two failed runs in a row; a canary that does not run says nothing."""
        return NotifyingAlarm(
            self,
            "Alarm",
            name="canary",
            alarm_defaults=alarm_defaults,
            description="The service does not answer from outside.",
            metric=self.canary.metric_success_percent(period=interval, statistic="Average"),
            threshold=100,
            periods=2,
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            missing=cloudwatch.TreatMissingData.MISSING,
        )
