"""The database cluster."""

from typing import Literal, cast

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from contract import log_groups
from contract.database import DATABASE, PORT
from gantry.monitoring.log_groups import LogDefaults
from gantry.nag import HIPAA, NIST, acknowledge, shared
from gantry.security.trust import service_of_this_account

DatabaseInsights = Literal["standard", "advanced"]
# Each mode knows one retention: a week, or 15 months.
_INSIGHTS = {
    "standard": (rds.DatabaseInsightsMode.STANDARD, rds.PerformanceInsightRetention.DEFAULT),
    "advanced": (rds.DatabaseInsightsMode.ADVANCED, rds.PerformanceInsightRetention.MONTHS_15),
}
# All in the cluster's group: an instance's own group is left at its defaults, which follow the cluster's, so
# that every instance logs and refuses alike, also one that is added by hand.
_PARAMETERS = {
    # Refuses a log-in without TLS: Aurora's default for PostgreSQL 17, and not to be left to defaults.
    "rds.force_ssl": "1",
    # Milliseconds; what an operator looks for first when the service is slow.
    "log_min_duration_statement": "1000",
    "log_lock_waits": "1",
    # KiB; a sort that spills to disk wants an index or more memory.
    "log_temp_files": "10240",
    # Milliseconds; a transaction that was left open keeps its locks and holds up vacuum.
    "idle_in_transaction_session_timeout": "300000",
}


class AuroraPostgres(Construct):
    """Aurora PostgreSQL Serverless v2: a writer, readers, TLS only, a master password that RDS keeps.

    Parameters
    ----------
    name
        Identifier of the cluster. A change that would replace the cluster fails on it, rather than leave the
        data behind.
    vpc, security_group
        Where it lives: in isolated subnets, behind this group alone.
    key
        Encrypts storage and performance data; imported by ARN when it belongs to another stack.
    secrets_key
        Encrypts the master secret; likewise.
    engine_version
        Of Aurora PostgreSQL, such as 17.9. The cluster is at least of this version: its instances take minor
        upgrades from AWS, which CloudFormation does not notice as long as this stays as it is.
    min_capacity, max_capacity
        Aurora capacity units; 0 pauses an idle cluster.
    auto_pause
        How long a cluster that may pause has to be idle; None leaves it to Aurora.
    readers
        Reader instances next to the writer; the first is as large as the writer and takes over from it.
    backup_retention
        Window of point-in-time recovery.
    insights
        What Database Insights records: a week of the database's load, or 15 months in every detail.
    log_defaults
        Of the log group that PostgreSQL writes.
    deletion_protection, removal_policy
        What keeps the data from being deleted. The policy is that of what the cluster uses, too: it cannot be
        deleted before the cluster is.
    log_removal_policy
        What becomes of the log when its stack is deleted.
    snapshot
        ARN of the cluster snapshot that the cluster begins as. To change or remove it later would replace the
        cluster, which CloudFormation refuses for its name.

    Attributes
    ----------
    cluster
        The cluster.
    master_secret
        The secret that RDS manages for the master user.
    subnet_group, parameter_group
        Names of the cluster's groups, for clusters that are restored next to it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        key: kms.IKey,
        secrets_key: kms.IKey,
        engine_version: str,
        min_capacity: float,
        max_capacity: float,
        backup_retention: Duration,
        log_defaults: LogDefaults,
        auto_pause: Duration | None = None,
        readers: int = 1,
        insights: DatabaseInsights = "standard",
        deletion_protection: bool = True,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        log_removal_policy: RemovalPolicy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        snapshot: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        log_name = log_groups.database(name)
        log_group = log_defaults.group(self, full_name=log_name, removal_policy=log_removal_policy)
        mode, kept = _INSIGHTS[insights]
        major, _, _ = engine_version.partition(".")
        engine = rds.DatabaseClusterEngine.aurora_postgres(
            version=rds.AuroraPostgresEngineVersion.of(engine_version, major)
        )
        parameters = rds.ParameterGroup(
            self,
            "Parameters",
            engine=engine,
            description="TLS is forced; slow statements, lock waits and spilt sorts are logged",
            parameters=_PARAMETERS,
            removal_policy=removal_policy,
        )
        monitoring_role = self._monitoring_role()
        self.cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            cluster_identifier=name,
            engine=engine,
            writer=_instance("Writer", key, kept),
            readers=[
                _instance(f"Reader{number}", key, kept, scale_with_writer=number == 1)
                for number in range(1, readers + 1)
            ],
            serverless_v2_min_capacity=min_capacity,
            serverless_v2_max_capacity=max_capacity,
            serverless_v2_auto_pause_duration=auto_pause,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[security_group],
            port=PORT,
            default_database_name=DATABASE,
            credentials=rds.Credentials.from_username("gantry_admin", encryption_key=secrets_key),
            manage_master_user_password=True,
            parameter_group=parameters,
            storage_encrypted=True,
            storage_encryption_key=key,
            iam_authentication=True,
            cloudwatch_logs_exports=[log_groups.DATABASE_EXPORT],
            enable_performance_insights=True,
            performance_insight_encryption_key=key,
            performance_insight_retention=kept,
            database_insights_mode=mode,
            enable_cluster_level_enhanced_monitoring=True,
            monitoring_interval=Duration.minutes(1),
            monitoring_role=monitoring_role,
            backup=rds.BackupProps(retention=backup_retention, preferred_window="02:00-03:00"),
            preferred_maintenance_window="sun:05:00-sun:06:00",
            copy_tags_to_snapshot=True,
            deletion_protection=deletion_protection,
            removal_policy=removal_policy,
        )
        self.cluster.node.add_dependency(log_group, monitoring_role)
        if snapshot is not None:
            _restore(self.cluster, snapshot)
        acknowledge(
            self.cluster,
            "Enhanced Monitoring is on for the cluster as a whole, and so for each of its instances.",
            *shared("RDSEnhancedMonitoringEnabled", (NIST, HIPAA)),
        )
        if not deletion_protection:
            acknowledge(
                self.cluster,
                "The environment's settings say that its data may be destroyed.",
                "AwsSolutions-RDS10",
            )
        if self.cluster.secret is None:
            raise RuntimeError("the cluster has no managed master secret")
        self.master_secret: secretsmanager.ISecret = self.cluster.secret
        self.parameter_group = parameters.bind_to_cluster().parameter_group_name
        self.subnet_group = cast("rds.SubnetGroup", self.cluster.node.find_child("Subnets")).subnet_group_name

    def _monitoring_role(self) -> iam.Role:
        """Return a role for Enhanced Monitoring; AWS's managed policy allows every group named RDS…."""
        group = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name="RDSOSMetrics",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        principal = service_of_this_account(self, "monitoring.rds.amazonaws.com")
        role = iam.Role(self, "MonitoringRole", assumed_by=principal)
        role.add_to_policy(
            # AWS decides on the one form of a log group's name or the other, by action and over time
            # ("Overview of managing access permissions to your CloudWatch Logs resources").
            iam.PolicyStatement(
                actions=["logs:CreateLogGroup", "logs:PutRetentionPolicy"], resources=[group, f"{group}:*"]
            )
        )
        streams = f"{group}:log-stream:*"
        acknowledge(
            role,
            "Each instance writes a stream that is named by an id which RDS gives the instance; the group's "
            "name with an asterisk is the other form of that one name.",
            f"AwsSolutions-IAM5[Resource::{streams}]",
            f"AwsSolutions-IAM5[Resource::{group}:*]",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:GetLogEvents",
                    "logs:PutLogEvents",
                ],
                resources=[streams],
            )
        )
        return role


def _instance(
    name: str, key: kms.IKey, kept: rds.PerformanceInsightRetention, *, scale_with_writer: bool = False
) -> rds.IClusterInstance:
    return rds.ClusterInstance.serverless_v2(
        name,
        ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
        auto_minor_version_upgrade=True,
        enable_performance_insights=True,
        performance_insight_encryption_key=key,
        performance_insight_retention=kept,
        scale_with_writer=scale_with_writer,
    )


def _restore(cluster: rds.DatabaseCluster, snapshot: str) -> None:
    """Have a cluster begin as a snapshot, which brings the database and the master user's name with it.

    The CDK's cluster from a snapshot has no managed master password; CloudFormation sets one after restoring.
    """
    resource = cluster.node.default_child
    if not isinstance(resource, rds.CfnDBCluster):
        raise TypeError(f"{cluster.node.path} is not a cluster")
    resource.add_property_override("SnapshotIdentifier", snapshot)
    # Encryption is inherited too, with the key that is given.
    for inherited in ("DatabaseName", "MasterUsername", "StorageEncrypted"):
        resource.add_property_deletion_override(inherited)
