"""What the function that rotates a secret may do."""

from aws_cdk import Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct


def secret_statements(
    scope: Construct, secret: secretsmanager.ISecret, key: kms.IKey
) -> list[iam.PolicyStatement]:
    """Return what rotating a secret takes: its values and labels, and the key for this secret's sake."""
    return [
        iam.PolicyStatement(
            actions=[
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ],
            resources=[secret.secret_arn],
        ),
        iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[key.key_arn],
            conditions={
                "StringEquals": {
                    "kms:ViaService": f"secretsmanager.{Stack.of(scope).region}.amazonaws.com",
                    # Secrets Manager binds each value to its secret.
                    "kms:EncryptionContext:SecretARN": secret.secret_arn,
                }
            },
        ),
    ]


def release_statements(service: ecs.IBaseService, releases: str) -> list[iam.PolicyStatement]:
    """Return what stopping the service's deployments takes.

    Parameters
    ----------
    service
        The service.
    releases
        ARN of all of its service deployments.
    """
    return [
        iam.PolicyStatement(actions=["ecs:ListServiceDeployments"], resources=[service.service_arn]),
        iam.PolicyStatement(
            actions=["ecs:DescribeServiceDeployments", "ecs:StopServiceDeployment"], resources=[releases]
        ),
    ]


def service_statements(service: ecs.IBaseService, tasks: str) -> list[iam.PolicyStatement]:
    """Return what replacing the service's tasks takes, and seeing all tasks of its cluster.

    Parameters
    ----------
    service
        The service.
    tasks
        ARN of all tasks of its cluster.
    """
    cluster = service.cluster.cluster_arn
    in_cluster = {"ArnEquals": {"ecs:cluster": cluster}}
    return [
        iam.PolicyStatement(
            actions=["ecs:DescribeServices", "ecs:UpdateService"], resources=[service.service_arn]
        ),
        # Listing tasks knows no narrower resource than this; the condition narrows it to the cluster.
        iam.PolicyStatement(actions=["ecs:ListTasks"], resources=["*"], conditions=in_cluster),
        iam.PolicyStatement(actions=["ecs:DescribeTasks"], resources=[tasks], conditions=in_cluster),
    ]
