"""CloudFormation's side of a custom resource whose real function runs against models of AWS."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext, suppress
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from ops.assembly import Resource
from sandbox.valkey import ValkeyServer
from tests.aws.elasticache import ElastiCache
from tests.aws.secrets_manager import Secret, SecretsManager
from tests.aws.transport import Answer, Aws, AwsError, Crash, Interruptions, SimulatedClock
from tests.infrastructure.arns import Reader
from tests.infrastructure.roles import role_of
from tests.infrastructure.synthesis import Synthesised

_LINKED_ROLE = "arn:aws:iam::{account}:role/aws-service-role/{service}/AWSServiceRoleForElastiCache"
_PROPAGATION = timedelta(seconds=40)


class GuardedAws(Aws):
    """AWS as a function of a template reaches it: with the rights of its role."""

    def __init__(
        self,
        platform: Synthesised,
        function: Resource,
        models: Mapping[str, object],
        clock: SimulatedClock,
        interruptions: Interruptions,
    ) -> None:
        super().__init__(models, clock=clock, interruptions=interruptions)
        self.role, self._settings = role_of(platform, function), platform.settings
        # One key encrypts the secrets of the platform, and RDS's for the master user.
        cluster = platform.only("AWS::RDS::DBCluster")
        self._key = Reader(platform.assembly).text(cluster, cluster.get("MasterUserSecret", "KmsKeyId"))

    def _answer(self, operation: Any, params: dict[str, Any], patience: timedelta) -> Answer:  # noqa: ANN401
        service = operation.service_model.service_name
        arn = params.get("SecretId") or self._user(params["UserId"])
        if not self.role.allows(f"{service}:{operation.name}", arn):
            raise AwsError("AccessDeniedException", f"{operation.name} on {arn}")
        if operation.name in {"GetSecretValue", "PutSecretValue"}:
            via = f"secretsmanager.{self._settings.region}.amazonaws.com"
            context = {"kms:ViaService": via, "kms:EncryptionContext:SecretARN": arn}
            action = "kms:Decrypt" if operation.name == "GetSecretValue" else "kms:GenerateDataKey"
            if not self.role.allows(action, self._key, context):
                raise AwsError("AccessDeniedException", f"{action} for {arn}")
        return super()._answer(operation, params, patience)

    def _user(self, user_id: str) -> str:
        return f"arn:aws:elasticache:{self._settings.region}:{self._settings.account}:user:{user_id}"


class Stack:
    """A stack whose custom resource's function runs against models, and its side of the requests.

    Attributes
    ----------
    cache
        ElastiCache of an account that never used it.
    """

    def __init__(
        self,
        platform: Synthesised,
        resource_type: str,
        function: Callable[[Any, Any], object],
        *,
        path: str = "",
    ) -> None:
        self._function, self.resource = function, platform.only(resource_type, path=path)
        (self.function,) = platform.assembly.referents(self.resource, self.resource.get("ServiceToken"))
        self.clock, self.interruptions = SimulatedClock(), Interruptions()
        self.cache = ElastiCache(mock.Mock(spec=ValkeyServer), self.clock)
        self.cache.first_call = self._first_call
        reader = Reader(platform.assembly)
        self.properties = {
            key: value if isinstance(value, str) else reader.text(self.resource, value)
            for key, value in self.resource.properties.items()
            if key not in {"ClusterEndpoint", "Port"}
        } | {"ClusterEndpoint": "cluster.example", "Port": "5432"}
        models = {"elasticache": self.cache, "secretsmanager": SecretsManager(*self._secrets())}
        self.aws = GuardedAws(platform, self.function, models, self.clock, self.interruptions)
        self._linked_role = _LINKED_ROLE.format(
            account=platform.settings.account, service="elasticache.amazonaws.com"
        )
        self._role_made_at: datetime | None = None
        self.answers: list[dict[str, Any]] = []

    def request(self, kind: str, physical_id: str | None = None) -> dict[str, Any] | None:
        """Send a request; return the answer, or nothing when the function ended without one."""
        event = {
            "RequestType": kind,
            "ResponseURL": "https://cloudformation.example",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": self.resource.logical_id,
            "ResourceProperties": self.properties,
        } | ({} if physical_id is None else {"PhysicalResourceId": physical_id})
        self.answers.clear()
        ends = self.clock.now() + timedelta(seconds=self.function.get("Timeout"))
        context = mock.Mock()
        context.get_remaining_time_in_millis.side_effect = lambda: (
            (ends - self.clock.now()).total_seconds() * 1000
        )
        with self._patched(), suppress(Crash):
            self._function(event, context)
        assert self.clock.now() < ends, "Lambda would have ended the function before it answered"
        self.cache.finish_changes()
        return self.answers[0] if self.answers else None

    def _patched(self) -> ExitStack:
        def put(request: Any, timeout: float) -> Any:  # noqa: ANN401
            del timeout
            self.answers.append(json.loads(request.data))
            return nullcontext()

        stack = ExitStack()
        for target, fake in {
            "boto3.client": self.aws.client,
            "urllib.request.urlopen": put,
            "gantry_runtime.custom_resource.Clock": lambda: self.clock,
            "database_roles.handler.privileged": lambda **_: nullcontext(mock.Mock()),
            "database_roles.handler.roles": mock.Mock(),
        }.items():
            stack.enter_context(mock.patch(target, fake))
        stack.callback(self.aws.close)
        return stack

    def _secrets(self) -> list[Secret]:
        made = []
        for key, arn in self.properties.items():
            if key.endswith("SecretArn"):
                made.append(Secret(key, {"username": "app", "password": 48 * "0"}, self.clock))
                made[-1].arn = arn
        return made

    def _first_call(self) -> None:
        """Have the call make the service-linked role if its caller may, and refuse it until that is known."""
        context = {"iam:AWSServiceName": "elasticache.amazonaws.com"}
        if self._role_made_at is None and self.aws.role.allows(
            "iam:CreateServiceLinkedRole", self._linked_role, context
        ):
            self._role_made_at = self.clock.now()
        if self._role_made_at is None or self.clock.now() < self._role_made_at + _PROPAGATION:
            raise AwsError("ServiceLinkedRoleNotFoundFault", "Please create new role")
