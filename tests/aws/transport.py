"""Gives boto3 clients a model of the service instead of the network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from gantry_runtime.clock import Clock

Answer = dict[str, Any]
_SESSION = boto3.Session()  # keeps the services' descriptions, which take long to read


class AwsError(Exception):
    """A service refuses a call."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Crash(BaseException):
    """The function's process ends, here and now."""


@dataclass(frozen=True)
class _Response:
    status_code: int


class SimulatedClock(Clock):
    """Time that passes only when somebody sleeps or calls."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=max(0.0, seconds))


class Interruptions:
    """Has something happen at a call to the outside, before or after the call takes effect.

    Attributes
    ----------
    watch
        Happens at every call.
    """

    def __init__(self) -> None:
        self._left = 0
        self._action: Callable[[], object] = _nothing
        self.watch: Callable[[], object] = _nothing

    def arm(self, at: int, action: Callable[[], object]) -> None:
        """Have an action happen once, at the so-manieth point from now."""
        self._left, self._action = at, action

    def disarm(self) -> None:
        self._left = 0

    def point(self) -> None:
        self.watch()
        self._left -= 1
        if self._left == 0:
            self._action()


def crash() -> None:
    """End the process."""
    raise Crash


def _nothing() -> None:
    pass


class Aws:
    """The services that a test models.

    Parameters
    ----------
    models
        By service; a model has a method for each operation, whose name and parameters are in snake case.
    """

    def __init__(
        self, models: Mapping[str, object], *, clock: SimulatedClock, interruptions: Interruptions
    ) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._models, self._clock, self._interruptions = models, clock, interruptions

    def client(self, service: str, config: Config | None = None) -> Any:  # noqa: ANN401 - each service has a type of its own
        client = _SESSION.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="none",
        )

        limits = vars(config) if config else {}
        patience = timedelta(seconds=sum(limits.get(f"{what}_timeout", 60) for what in ("connect", "read")))

        def remember(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
            context["given"] = params

        def answer(model: OperationModel, context: dict[str, Any], **_: object) -> tuple[_Response, Answer]:
            return self._answer(service, model, context["given"], patience)

        client.meta.events.register("provide-client-params", remember)
        client.meta.events.register("before-call", answer)
        return client

    def _answer(
        self, service: str, operation: OperationModel, params: dict[str, Any], patience: timedelta
    ) -> tuple[_Response, Answer]:
        began = self._clock.now()
        self._interruptions.point()
        self._clock.sleep(0.01)
        if self._clock.now() - began > patience:
            raise ReadTimeoutError(endpoint_url=service)
        method: Callable[..., Answer] = getattr(self._models[service], xform_name(operation.name))
        self.calls.append((operation.name, params))
        try:
            result = method(**{xform_name(name): value for name, value in params.items()})
        except AwsError as error:
            return _Response(400), {"Error": {"Code": error.code, "Message": error.message}}
        if operation.output_shape is not None:
            report = ParamValidator().validate(result, operation.output_shape)
            assert not report.has_errors(), report.generate_report()
        self._interruptions.point()
        return _Response(200), {**result, "ResponseMetadata": {"HTTPStatusCode": 200}}
