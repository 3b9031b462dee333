"""A sandbox without the platform: the emulated AWS, for stacks of a few resources."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

from sandbox.lifecycle import Sandbox

Template = dict[str, Any]

_TIMEOUT_SECONDS = 60.0
_ANYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class Emulator:
    """A running sandbox and how tests talk to it."""

    sandbox: Sandbox
    state_dir: Path

    def client(self, service: str, *, region: str | None = None) -> Any:  # noqa: ANN401 - boto3's classes
        """Return a boto3 client of a region, the sandbox's own by default."""
        variables = self.sandbox.environment()
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            region_name=region or variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    def processes(self) -> list[int]:
        """Return the ids of the processes that work on the sandbox's files."""
        running = psutil.process_iter(["cmdline"])  # of one that ends meanwhile it is None
        return [each.pid for each in running if str(self.state_dir) in " ".join(each.info["cmdline"] or [])]

    def create(self, name: str, template: Template) -> str:
        """Create a stack and return the status in which that ends."""
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
        )
        return self.stable_status(name)

    def update(self, name: str, template: Template) -> str:
        """Update a stack and return the status in which that ends."""
        cloudformation = self.client("cloudformation")
        cloudformation.update_stack(
            StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
        )
        return self.stable_status(name)

    def delete(self, name: str) -> None:
        """Delete a stack."""
        identity = self.stack(name)["StackId"]
        self.client("cloudformation").delete_stack(StackName=name)
        assert self.stable_status(identity) == "DELETE_COMPLETE"

    def stack(self, name: str) -> dict[str, Any]:
        """Describe a stack."""
        stacks: list[dict[str, Any]] = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return stacks[0]

    def stable_status(self, name: str) -> str:
        """Wait until nothing is in progress and return the stack's status."""
        wait_until(lambda: not self.stack(name)["StackStatus"].endswith("IN_PROGRESS"))
        return str(self.stack(name)["StackStatus"])

    def outputs(self, name: str) -> dict[str, str]:
        """Return a stack's outputs."""
        return {each["OutputKey"]: each["OutputValue"] for each in self.stack(name).get("Outputs", [])}

    def failures(self, name: str) -> str:
        """Return the reasons of everything that failed in a stack."""
        events = self.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(
            each.get("ResourceStatusReason", "")
            for each in events
            if each["ResourceStatus"].endswith("FAILED")
        )

    @contextmanager
    def deployed(self, name: str, template: Template) -> Iterator[dict[str, str]]:
        """Create a stack, give its outputs, and delete it."""
        status = self.create(name, template)
        assert status == "CREATE_COMPLETE", self.failures(name)
        try:
            yield self.outputs(name)
        finally:
            self.delete(name)

    def role(self, name: str, policy: dict[str, Any]) -> str:
        """Make a role for functions, or give it another policy, and return its ARN."""
        iam = self.client("iam")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=json.dumps(policy))
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])

    def function(self, name: str, source: str, *, role: str | None = None) -> str:
        """Make or replace a Lambda function from the source of its module, and return its ARN.

        Parameters
        ----------
        name, source
            The function; its handler is ``handler``.
        role
            ARN of its role; one that may do everything when None.
        """
        role = role or self.role("anything", _ANYTHING)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as content:
            content.writestr("index.py", source)
        client = self.client("lambda")
        try:
            answer = client.create_function(
                FunctionName=name, Runtime="python3.13", Role=role, Handler="index.handler", Timeout=30,
                Code={"ZipFile": archive.getvalue()},
            )  # fmt: skip
        except client.exceptions.ResourceConflictException:
            answer = client.update_function_code(FunctionName=name, ZipFile=archive.getvalue())
        return str(answer["FunctionArn"])


def template(resources: dict[str, Any], **outputs: object) -> Template:
    """Return a template with these resources and outputs."""
    return {"Resources": resources, "Outputs": {name: {"Value": value} for name, value in outputs.items()}}


def wait_until(condition: Callable[[], object], *, seconds: float = _TIMEOUT_SECONDS) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
