"""Sessions and stack outputs of an environment, be it in an account or in the sandbox."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops.cdk import SANDBOX
from ops.console import CliError
from ops.paths import SANDBOX_DIR
from sandbox.lifecycle import Sandbox
from stacks.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_ecs import ECSClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_secretsmanager import SecretsManagerClient

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard"})


@dataclass(frozen=True)
class Environment:
    """An environment that is deployed somewhere, and how to reach it."""

    settings: Settings
    session: boto3.Session
    endpoint_url: str | None

    @property
    def cloudformation(self) -> "CloudFormationClient":
        """A CloudFormation client."""
        return self.session.client("cloudformation", endpoint_url=self.endpoint_url, config=_CONFIG)

    @property
    def ecs(self) -> "ECSClient":
        """An ECS client."""
        return self.session.client("ecs", endpoint_url=self.endpoint_url, config=_CONFIG)

    @property
    def logs(self) -> "CloudWatchLogsClient":
        """A CloudWatch Logs client."""
        return self.session.client("logs", endpoint_url=self.endpoint_url, config=_CONFIG)

    @property
    def secrets(self) -> "SecretsManagerClient":
        """A Secrets Manager client."""
        return self.session.client("secretsmanager", endpoint_url=self.endpoint_url, config=_CONFIG)

    def outputs(self, layer: str) -> dict[str, str]:
        """Return the outputs of a layer's stack.

        Raises
        ------
        CliError
            When the stack is not deployed or AWS cannot be asked.
        """
        name = self.settings.stack_name(layer)
        try:
            stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                raise CliError(
                    f"The stack {name} is not deployed.",
                    remedy=f"Run `./gantry cdk deploy --all -c environment={self.settings.environment}`.",
                ) from error
            raise CliError(f"The stack {name} cannot be read: {error}") from error
        except BotoCoreError as error:
            raise CliError(
                f"AWS cannot be reached: {error}", remedy="Check credentials and network."
            ) from error
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def connect(name: str) -> Environment:
    """Return an environment by name; the sandbox must be running.

    Raises
    ------
    CliError
        When there is no such environment, or the sandbox is asked for and does not run.
    """
    try:
        settings = load_settings(name)
    except SettingsError as error:
        raise CliError(str(error)) from error
    if name != SANDBOX:
        return Environment(settings, boto3.Session(region_name=settings.region), endpoint_url=None)
    sandbox = Sandbox(SANDBOX_DIR)
    if not sandbox.status().running:
        raise CliError("The sandbox is not running.", remedy="Start it with `./gantry up`.")
    variables = sandbox.environment()
    session = boto3.Session(
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=settings.region,
    )
    return Environment(settings, session, endpoint_url=variables["AWS_ENDPOINT_URL"])
