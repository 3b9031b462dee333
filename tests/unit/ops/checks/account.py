"""An account whose answers are written down, asked through botocore's own clients."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.model import OperationModel

from ops.aws import Environment
from ops.checks.context import Context
from stacks.settings import Settings, load_settings

NOW = datetime(2026, 11, 27, 12, 0, 30, tzinfo=UTC)
ACCOUNT = "482915370264"
CERTIFICATE = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/6d2a"
Answer = Any
"""A response, an error (`Code` or `Code: message`), or a function of the request that returns either."""


@dataclass
class Account:
    """An account: what it answers to each operation, `sts.GetCallerIdentity`; it denies all others."""

    answers: dict[str, Answer]
    asked: list[str] = field(default_factory=list)

    def context(self, environment: str = "prod", /, **overrides: object) -> Context:
        """Return an environment in this account, to be checked."""
        keys = {key.replace("__", "."): value for key, value in overrides.items()}
        own = {"account": ACCOUNT} | ({"load_balancer.certificate_arn": CERTIFICATE} | keys)
        settings = load_settings(environment, overrides=own, environ={})
        return Context(self.environment(settings), NOW)

    def environment(self, settings: Settings) -> Environment:
        """Return an environment in this account."""
        session: Any = SimpleNamespace(client=self._client)
        return Environment(settings, session, endpoint_url=None)

    def _client(self, service: str, *, region_name: str = "us-east-1", **_: object) -> object:
        _asked[service] = self
        return _client(service, region_name)

    def answer(self, name: str, given: Mapping[str, Any]) -> tuple[SimpleNamespace, dict[str, Any]]:
        """Return what a client gets from the network, parsed."""
        self.asked.append(name)
        answer = self.answers.get(name, "AccessDenied")
        if callable(answer):
            answer = answer(given)
        if not isinstance(answer, str):
            return SimpleNamespace(status_code=200), {"ResponseMetadata": {}} | answer
        code, _, message = answer.partition(": ")
        error = {"Code": code, "Message": message or "what AWS says"}
        return SimpleNamespace(status_code=400), {"Error": error, "ResponseMetadata": {}}


# Clients cost more than all that tests do with them: each is made once, and asks who took it last.
_asked: dict[str, Account] = {}


@cache
def _client(service: str, region: str) -> object:
    session = boto3.Session("key", "secret", region_name=region)
    session.events.register("provide-client-params", _remember)
    session.events.register("before-call", _answer)  # type: ignore[arg-type]  # may answer, too
    return session.client(service)  # type: ignore[call-overload]


def _remember(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
    context["asked for"] = params


def _answer(
    model: OperationModel, context: dict[str, Any], **_: object
) -> tuple[SimpleNamespace, dict[str, Any]]:
    service = model.service_model.service_name
    return _asked[service].answer(f"{service}.{model.name}", context["asked for"])


CALLER = {"sts.GetCallerIdentity": {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/ada"}}


def stacks(**outputs: dict[str, str]) -> Answer:
    """Return an answer to DescribeStacks: every stack exists, with the outputs of its layer."""

    def answer(params: Mapping[str, Any]) -> dict[str, Any]:
        layer = params["StackName"].rsplit("-", 1)[-1]
        found = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.get(layer, {}).items()]
        stack = {
            "StackName": params["StackName"],
            "StackStatus": "UPDATE_COMPLETE",
            "EnableTerminationProtection": True,
            "Outputs": found,
        }
        return {"Stacks": [stack]}

    return answer
