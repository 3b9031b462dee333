"""The record of deployments, and the lock that lets one happen at a time."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from contract.deployments import PARTITION_KEY, SORT_KEY
from gantry.nag import HIPAA, NIST, acknowledge, shared


class DeploymentLedger(dynamodb.Table):
    """A table of deployments by environment, which can be restored to any second of the last 35 days.

    Parameters
    ----------
    key
        Encrypts it.
    removal_policy
        What becomes of the table when its stack is deleted; retaining it also protects it from deletion.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, key: kms.IKey, removal_policy: RemovalPolicy
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            partition_key=dynamodb.Attribute(name=PARTITION_KEY, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=SORT_KEY, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=removal_policy is not RemovalPolicy.DESTROY,
            removal_policy=removal_policy,
        )
        acknowledge(
            self,
            "It can be restored to any second of the last 35 days without a backup plan.",
            *shared("DynamoDBInBackupPlan", (NIST, HIPAA)),
        )
