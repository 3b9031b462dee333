"""The database cluster and its application roles."""

from aws_cdk import CustomResource, Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from gantry.nag import acknowledge

PORT = 5432


class AuroraPostgres(Construct):
    """Aurora PostgreSQL Serverless v2: a writer, readers, TLS only, a master password that RDS keeps.

    Parameters
    ----------
    vpc, security_group
        Where it lives: in isolated subnets, behind this group alone.
    key
        Encrypts storage, the master secret and performance data; imported by ARN.
    database
        Name of the database that is made with the cluster.
    min_capacity, max_capacity
        Aurora capacity units; 0 pauses an idle cluster.
    readers
        Reader instances beside the writer.
    backup_retention
        Window of point-in-time recovery.
    deletion_protection, removal_policy
        What keeps the data from being deleted.

    Attributes
    ----------
    cluster
        The cluster.
    master_secret
        The secret that RDS manages for the master user.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        key: kms.IKey,
        database: str,
        min_capacity: float,
        max_capacity: float,
        readers: int,
        backup_retention: Duration,
        deletion_protection: bool,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        engine = rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_17_9)
        self.cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            engine=engine,
            writer=self._instance("Writer"),
            readers=[
                self._instance(f"Reader{number}", scale_with_writer=number == 1)
                for number in range(1, readers + 1)
            ],
            serverless_v2_min_capacity=min_capacity,
            serverless_v2_max_capacity=max_capacity,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[security_group],
            port=PORT,
            default_database_name=database,
            credentials=rds.Credentials.from_username("gantry_admin", encryption_key=key),
            manage_master_user_password=True,
            parameter_group=rds.ParameterGroup(
                self,
                "Parameters",
                engine=engine,
                description="TLS is forced; slow statements are logged",
                parameters={"rds.force_ssl": "1", "log_min_duration_statement": "1000"},
            ),
            storage_encrypted=True,
            storage_encryption_key=key,
            iam_authentication=True,
            cloudwatch_logs_exports=["postgresql"],
            backup=rds.BackupProps(retention=backup_retention),
            copy_tags_to_snapshot=True,
            deletion_protection=deletion_protection,
            removal_policy=removal_policy,
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

    @staticmethod
    def _instance(name: str, *, scale_with_writer: bool = False) -> rds.IClusterInstance:
        if name == "Writer":
            return rds.ClusterInstance.serverless_v2(name, auto_minor_version_upgrade=True)
        return rds.ClusterInstance.serverless_v2(
            name, scale_with_writer=scale_with_writer, auto_minor_version_upgrade=True
        )


class DatabaseRoles(Construct):
    """The application's roles in a cluster, made by a function when the cluster is first deployed.

    Parameters
    ----------
    function
        Makes the roles; may read the three secrets and complete the last two.
    cluster, database
        Where the roles are made.
    master_secret, rotator_secret, application_secret
        Log-ins of the master user, of the role that rotates passwords, and of the application.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lambda_.IFunction,
        cluster: rds.IDatabaseCluster,
        database: str,
        master_secret: secretsmanager.ISecret,
        rotator_secret: secretsmanager.ISecret,
        application_secret: secretsmanager.ISecret,
    ) -> None:
        super().__init__(scope, construct_id)
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::DatabaseRoles",
            service_token=function.function_arn,
            service_timeout=Duration.minutes(15),
            properties={
                "ClusterEndpoint": cluster.cluster_endpoint.hostname,
                "Port": cluster.cluster_endpoint.port,
                "Database": database,
                "MasterSecretArn": master_secret.secret_arn,
                "RotatorSecretArn": rotator_secret.secret_arn,
                "ApplicationSecretArn": application_secret.secret_arn,
            },
        )
        # The writer must run before anyone can log in.
        resource.node.add_dependency(cluster)
