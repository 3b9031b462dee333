"""Sessions and stack outputs of an environment, be it in an account or in the sandbox."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from contract.environments import SANDBOX, SANDBOX_ACCOUNT
from ops.console import CliError
from stacks.settings import CONFIG_DIR, Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_codepipeline import CodePipelineClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ecr import ECRClient
    from types_boto3_ecs import ECSClient
    from types_boto3_elasticache import ElastiCacheClient
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_rds import RDSClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sts import STSClient
    from types_boto3_sts.type_defs import GetCallerIdentityResponseTypeDef

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard"})
_FUNCTION_CONFIG = Config(connect_timeout=5, read_timeout=930, retries={"total_max_attempts": 1})


class NotDeployedError(CliError):
    """A stack that is asked for is not deployed."""


@dataclass(frozen=True)
class Environment:
    """An environment that is deployed somewhere, and how to reach it.

    Its clients are made once, and may be asked for by several threads.
    """

    settings: Settings
    session: boto3.Session
    endpoint_url: str | None
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)
    _making: RLock = field(default_factory=RLock, repr=False, compare=False)

    def client(self, service: str, region: str | None = None, *, config: Config = _CONFIG) -> Any:  # noqa: ANN401 - each service has a type of its own
        """Return a client of a service, in the environment's region by default.

        Threads may share a client, but not make several at once ("Session reference" of Boto3).
        """
        key = (service, region or self.settings.region)
        with self._making:
            if key not in self._clients:
                self._clients[key] = self.session.client(
                    service,  # type: ignore[call-overload]
                    region_name=key[1],
                    endpoint_url=self.endpoint_url,
                    config=config,
                )
            return self._clients[key]

    @property
    def cloudformation(self) -> "CloudFormationClient":
        """A CloudFormation client."""
        return self.cloudformation_in(self.settings.region)

    def cloudformation_in(self, region: str) -> "CloudFormationClient":
        """Return a CloudFormation client of a region."""
        client: CloudFormationClient = self.client("cloudformation", region)
        return client

    @property
    def cloudwatch(self) -> "CloudWatchClient":
        """A CloudWatch client."""
        client: CloudWatchClient = self.client("cloudwatch")
        return client

    def codepipeline_in(self, region: str) -> "CodePipelineClient":
        """Return a CodePipeline client of a region."""
        client: CodePipelineClient = self.client("codepipeline", region)
        return client

    @property
    def dynamodb(self) -> "DynamoDBClient":
        """A DynamoDB client."""
        client: DynamoDBClient = self.client("dynamodb")
        return client

    @property
    def ecr(self) -> "ECRClient":
        """An Amazon ECR client."""
        client: ECRClient = self.client("ecr")
        return client

    @property
    def ecs(self) -> "ECSClient":
        """An ECS client."""
        client: ECSClient = self.client("ecs")
        return client

    @property
    def logs(self) -> "CloudWatchLogsClient":
        """A CloudWatch Logs client."""
        client: CloudWatchLogsClient = self.client("logs")
        return client

    @property
    def load_balancing(self) -> "ElasticLoadBalancingv2Client":
        """An Elastic Load Balancing client."""
        client: ElasticLoadBalancingv2Client = self.client("elbv2")
        return client

    @property
    def databases(self) -> "RDSClient":
        """An RDS client."""
        client: RDSClient = self.client("rds")
        return client

    @property
    def caches(self) -> "ElastiCacheClient":
        """An ElastiCache client."""
        client: ElastiCacheClient = self.client("elasticache")
        return client

    @property
    def backups(self) -> "BackupClient":
        """An AWS Backup client."""
        client: BackupClient = self.client("backup")
        return client

    @property
    def functions(self) -> "LambdaClient":
        """A Lambda client, which waits as long as a function may run and calls none twice."""
        client: LambdaClient = self.client("lambda", config=_FUNCTION_CONFIG)
        return client

    @property
    def s3(self) -> "S3Client":
        """An Amazon S3 client."""
        client: S3Client = self.client("s3")
        return client

    @property
    def secrets(self) -> "SecretsManagerClient":
        """A Secrets Manager client."""
        client: SecretsManagerClient = self.client("secretsmanager")
        return client

    @cached_property
    def _caller(self) -> "GetCallerIdentityResponseTypeDef":
        """The identity of the credentials, which is asked once."""
        client: STSClient = self.client("sts")
        return client.get_caller_identity()

    @property
    def caller_arn(self) -> str:
        """ARN of the user or the role's session whose credentials are used."""
        return self._caller["Arn"]

    def require_own_account(self) -> None:
        """Refuse credentials of another account, in which stacks of the same names may be.

        Raises
        ------
        CliError
            When AWS says so.
        """
        if self.endpoint_url is None and self._caller["Account"] != self.settings.account:
            found, settings = self._caller["Account"], self.settings
            raise CliError(
                f"The credentials are of account {found}; {settings.environment} is in {settings.account}.",
                remedy="Choose others with AWS_PROFILE.",
            )

    def outputs(self, layer: str) -> dict[str, str]:
        """Return the outputs of a layer's stack.

        Raises
        ------
        NotDeployedError
            When the stack is not deployed.
        """
        name = self.settings.stack_name(layer)
        try:
            stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            name_of = self.settings.environment
            way = "up" if name_of == SANDBOX else f"cdk deploy --all -c environment={name_of}"
            message = f"The stack {name} is not deployed."
            raise NotDeployedError(message, remedy=f"Run `./gantry {way}`.") from error
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def problems(self) -> list[str]:
        """Return what of the sandbox does not run; AWS keeps such things to itself."""
        if self.endpoint_url is None:
            return []
        from ops import in_sandbox

        return [f"{problem} ({problem.log})" for problem in in_sandbox.problems()]


def time_of(response: Mapping[str, Any]) -> datetime:
    """Return when AWS answered, by its own clock: this machine's may differ."""
    return parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])


def connect(name: str) -> Environment:
    """Return an environment by name; the sandbox must be running.

    Raises
    ------
    CliError
        When there is no such environment, the sandbox is asked for and does not run, or the credentials are
        another account's.
    """
    try:
        environment = connect_to(settings_of(name))
    except SettingsError as error:
        raise CliError(str(error)) from error
    environment.require_own_account()
    return environment


def settings_of(
    name: str,
    *,
    overrides: Mapping[str, str] | None = None,
    in_sandbox: bool = False,
    config_dir: Path = CONFIG_DIR,
) -> Settings:
    """Return the settings of an environment; the user's AWS_REGION says nothing about one in the sandbox.

    Raises
    ------
    SettingsError
        When there is no such environment, or its settings cannot be used.
    """
    environ = {} if in_sandbox or name == SANDBOX else os.environ
    return load_settings(name, overrides=overrides, environ=environ, config_dir=config_dir)


def connect_to(settings: Settings, *, profile: str | None = None) -> Environment:
    """Return the environment that has these settings; one of the sandbox's account is in the sandbox.

    Parameters
    ----------
    settings
        Those of the environment.
    profile
        The profile of the user's AWS configuration; by default the one that AWS_PROFILE chooses.

    Raises
    ------
    CliError
        When the sandbox is asked for and does not run.
    """
    if settings.account != SANDBOX_ACCOUNT:
        session = boto3.Session(profile_name=profile, region_name=settings.region)
        return Environment(settings, session, endpoint_url=None)
    from ops import in_sandbox

    session, endpoint_url = in_sandbox.session(settings.region)
    return Environment(settings, session, endpoint_url)
