"""Values of templates as they will read in AWS, as far as a policy's meaning depends on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.assembly import Assembly, Resource

# What Ref and Fn::GetAtt return, with the logical id for what AWS or CloudFormation chooses.
_RETURNED = {
    "AWS::Backup::BackupVault BackupVaultArn": "arn:aws:backup:{region}:{account}:backup-vault:{id}",
    "AWS::Backup::BackupVault Ref": "{id}",
    "AWS::CodeBuild::Project Arn": "arn:aws:codebuild:{region}:{account}:project/{id}",
    "AWS::CodeBuild::Project Ref": "{id}",
    "AWS::CodePipeline::Pipeline Ref": "{id}",
    "AWS::DynamoDB::Table Arn": "arn:aws:dynamodb:{region}:{account}:table/{id}",
    "AWS::EC2::VPC DefaultSecurityGroup": "sg-0123456789abcdef0",
    "AWS::ECR::Repository Arn": "arn:aws:ecr:{region}:{account}:repository/{id}",
    "AWS::ECS::Cluster Arn": "arn:aws:ecs:{region}:{account}:cluster/{id}",
    "AWS::ECS::Cluster Ref": "{id}",
    "AWS::ECS::Service Ref": "arn:aws:ecs:{region}:{account}:service/cluster/{id}",
    "AWS::Events::Rule Arn": "arn:aws:events:{region}:{account}:rule/{id}",
    "AWS::IAM::OIDCProvider Arn": "arn:aws:iam::{account}:oidc-provider/{id}",
    "AWS::IAM::Role Arn": "arn:aws:iam::{account}:role/{id}",
    "AWS::KMS::Key Arn": "arn:aws:kms:{region}:{account}:key/{id}",
    "AWS::Lambda::Function Arn": "arn:aws:lambda:{region}:{account}:function:{id}",
    "AWS::Logs::LogGroup Arn": "arn:aws:logs:{region}:{account}:log-group:{id}:*",
    "AWS::Backup::RestoreTestingPlan RestoreTestingPlanArn": (
        "arn:aws:backup:{region}:{account}:restore-testing-plan:{id}-1a2b"
    ),
    "AWS::Backup::RestoreTestingPlan Ref": "{id}",
    "AWS::RDS::DBClusterParameterGroup Ref": "{id}",
    "AWS::RDS::DBSubnetGroup Ref": "{id}",
    "AWS::RDS::DBCluster Arn": "arn:aws:rds:{region}:{account}:cluster:{id}",
    "AWS::RDS::DBCluster MasterUserSecret.SecretArn": (
        "arn:aws:secretsmanager:{region}:{account}:secret:{id}-AbCdEf"
    ),
    "AWS::RDS::DBCluster Ref": "{id}",
    "AWS::S3::Bucket Arn": "arn:aws:s3:::{id}",
    "AWS::S3::Bucket Ref": "{id}",
    "AWS::SNS::Topic Ref": "arn:aws:sns:{region}:{account}:{id}",
    "AWS::SQS::Queue Arn": "arn:aws:sqs:{region}:{account}:{id}",
    "AWS::SecretsManager::Secret Ref": "arn:aws:secretsmanager:{region}:{account}:secret:{id}-AbCdEf",
    "AWS::StepFunctions::StateMachine Ref": "arn:aws:states:{region}:{account}:stateMachine:{id}",
    "Custom::CacheUser Ref": "{id}",
}


@dataclass(frozen=True)
class Reader:
    """Reads values of an assembly's templates."""

    assembly: Assembly

    def text(self, resource: Resource, value: Any) -> str:  # noqa: ANN401 - JSON
        """Return a value of a resource as text.

        Raises
        ------
        LookupError
            When the value refers to something that this module has no example of.
        """
        return self._text(resource.stack, value)

    def _text(self, stack: str, value: Any) -> str:  # noqa: ANN401 - JSON
        if not isinstance(value, Mapping):
            return str(value)
        ((function, argument),) = value.items()
        match function:
            case "Fn::Join":
                separator, parts = argument
                return str(separator).join(self._text(stack, part) for part in parts)
            case "Fn::Sub":
                return str(argument).replace("${AWS::Partition}", "aws")
            case "Ref":
                return "aws" if argument == "AWS::Partition" else self._returned(stack, argument, "Ref")
            case "Fn::GetAtt":
                return self._returned(stack, argument[0], ".".join(argument[1:]))
            case "Fn::ImportValue" | "Fn::GetStackOutput":
                weak = isinstance(argument, Mapping)
                return self._exported("{StackName}:{OutputName}".format(**argument) if weak else argument)
        raise LookupError(f"no reading of {value}")

    def _returned(self, stack: str, logical_id: str, attribute: str) -> str:
        found = next(each for each in self.assembly.stacks if each.id == stack)
        resource = next(each for each in found.resources if each.logical_id == logical_id)
        key = f"{resource.type} {attribute}"
        if key not in _RETURNED:
            raise LookupError(f"{__name__} has no example of {key}")
        return _RETURNED[key].format(region=found.region, account=found.account, id=logical_id)

    def _exported(self, name: str) -> str:
        producer = next(each for each in self.assembly.stacks if name in each.exports)
        return self._text(producer.id, producer.exports[name])
