"""Security: the record of what happens in the account."""

from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.layer import LayerStack, imported_key, log_retention, removal_policy
from stacks.settings import Settings
from stacks.state import StateRefs


class SecurityStack(LayerStack):
    """CloudTrail, validated and encrypted."""

    def __init__(self, scope: Construct, *, settings: Settings, state: StateRefs) -> None:
        super().__init__(scope, "security", settings=settings, description="Gantry: audit trail")
        if not settings.security.trail:
            return
        key = imported_key(self, "LogsKey", state.logs_key)
        cloudtrail.Trail(
            self,
            "Trail",
            trail_name=settings.full_name,
            # Imported: the construct would add statements of its own, broader ones, to the real one's policy.
            bucket=s3.Bucket.from_bucket_name(self, "TrailBucket", state.trail_bucket.bucket_name),
            encryption_key=key,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_file_validation=True,
            send_to_cloud_watch_logs=True,
            cloud_watch_log_group=logs.LogGroup(
                self,
                "TrailLogGroup",
                log_group_name=f"{settings.log_group_prefix}trail",
                encryption_key=key,
                retention=log_retention(settings),
                removal_policy=removal_policy(settings),
            ),
        )
