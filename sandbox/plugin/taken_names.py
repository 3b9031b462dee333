"""Names that are taken: AWS refuses to create what exists already, ministack overwrites most of it.

"Resource names must be unique across all your active stacks":
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html
"""

from collections.abc import Callable, Container, Mapping

from ministack.services import (
    backup,
    cloudwatch,
    cloudwatch_logs,
    dynamodb,
    ecr,
    iam,
    kms,
    rds,
    secretsmanager,
)

from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import Create, Properties, Provisioned, handlers

# Of each type: the property that names it, and what there is, which a restart may replace by another object.
_NAMED: Mapping[str, tuple[str, Callable[[], Container[str]]]] = {
    "AWS::Backup::BackupVault": ("BackupVaultName", lambda: backup._vaults),
    "AWS::CloudWatch::Alarm": ("AlarmName", lambda: cloudwatch._alarms),
    "AWS::CloudWatch::Dashboard": ("DashboardName", lambda: cloudwatch._dashboards),
    "AWS::DynamoDB::Table": ("TableName", lambda: dynamodb._tables),
    "AWS::ECR::Repository": ("RepositoryName", lambda: ecr._repositories),
    "AWS::IAM::Role": ("RoleName", lambda: iam._roles),
    "AWS::KMS::Alias": ("AliasName", lambda: [arn.rpartition(":")[2] for arn in kms._aliases]),
    "AWS::Logs::LogGroup": ("LogGroupName", lambda: cloudwatch_logs._log_groups),
    "AWS::RDS::DBCluster": ("DBClusterIdentifier", lambda: rds._clusters),
    # Also one that is scheduled for deletion: InvalidRequestException in
    # https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
    "AWS::SecretsManager::Secret": ("Name", lambda: secretsmanager._secrets),
}


def install() -> None:
    """Have CloudFormation create nothing under a name that is taken."""
    for resource_type, (name_property, existing) in _NAMED.items():
        _refuse_taken(resource_type, name_property, existing)


def _refuse_taken(resource_type: str, name_property: str, existing: Callable[[], Container[str]]) -> None:
    @wrap(handlers(resource_type), "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        name = props.get(name_property)
        if name and name in existing():
            raise ValueError(f"Resource of type '{resource_type}' with identifier '{name}' already exists.")
        return original(logical_id, props, stack_name)
