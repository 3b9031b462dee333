"""Bootstraps the emulated account for the CDK: what `cdk bootstrap` deploys, without waiting for the CLI."""

import time
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import ClientError

from sandbox.clients import session

_TEMPLATE = (
    Path(__file__).resolve().parent.parent / "node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml"
)
_STACK = "CDKToolkit"
# What the CLI passes when it is called without options.
_PARAMETERS = {
    "CloudFormationExecutionPolicies": "arn:aws:iam::aws:policy/AdministratorAccess",
    "FileAssetsBucketKmsKeyId": "AWS_MANAGED_KEY",
    "PublicAccessBlockConfiguration": "true",
}
_TIMEOUT_SECONDS = 60.0


def bootstrap(variables: Mapping[str, str]) -> None:
    """Deploy the bootstrap stack of the pinned CDK CLI, unless it is there.

    Parameters
    ----------
    variables
        Environment of the sandbox's clients.

    Raises
    ------
    RuntimeError
        When the stack cannot be created.
    """
    client = session(variables).client("cloudformation", endpoint_url=variables["AWS_ENDPOINT_URL"])

    def status() -> str:
        try:
            return str(client.describe_stacks(StackName=_STACK)["Stacks"][0]["StackStatus"])
        except ClientError:
            return ""

    if status() == "CREATE_COMPLETE":
        return
    client.create_stack(
        StackName=_STACK,
        TemplateBody=_TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in _PARAMETERS.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while (reached := status()) == "CREATE_IN_PROGRESS":
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    if reached != "CREATE_COMPLETE":
        raise RuntimeError(f"The stack {_STACK} is in status {reached}")
