"""Gives boto3 clients a model of the service instead of the network."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ParamValidationError, ReadTimeoutError
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from gantry_runtime.clock import Clock

Answer = dict[str, Any]
_SESSION = boto3.Session()  # keeps the services' descriptions, which take long to read
_IDLE: defaultdict[str, list[Any]] = defaultdict(list)
_VALIDATOR = ParamValidator()


class AwsError(Exception):
    """A service refuses a call."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Crash(BaseException):
    """The function's process ends, here and now."""


class SimulatedClock(Clock):
    """Time that passes only during sleeps and calls."""

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
        self._left, self._suspended = 0, False
        self._action: Callable[[], object] = _nothing
        self.watch: Callable[[], object] = _nothing

    def arm(self, at: int, action: Callable[[], object]) -> None:
        """Have an action happen once, at the so-manieth point from now."""
        self._left, self._action = at, action

    def disarm(self) -> None:
        self._left = 0

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Have nothing happen in the body, and what is armed only afterwards."""
        before, self._suspended = self._suspended, True
        try:
            yield
        finally:
            self._suspended = before

    def point(self) -> None:
        if self._suspended:
            return
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
        self._clients: list[tuple[str, Any]] = []

    def client(self, service: str, config: Config | None = None) -> Any:  # noqa: ANN401 - each service has a type of its own
        client = _IDLE[service].pop() if _IDLE[service] else _make_client(service)
        limits = vars(config) if config else {}
        patience = timedelta(seconds=sum(limits.get(f"{what}_timeout", 60) for what in ("connect", "read")))
        client._make_api_call = partial(self._call, client, patience)
        self._clients.append((service, client))
        return client

    def close(self) -> None:
        """Lend the clients to the next test: making them takes longer than using them."""
        while self._clients:
            service, client = self._clients.pop()
            _IDLE[service].append(client)

    def _call(
        self,
        client: Any,  # noqa: ANN401 - see above
        patience: timedelta,
        operation: str,
        params: dict[str, Any],
    ) -> Answer:
        model = client.meta.service_model.operation_model(operation)
        report = _VALIDATOR.validate(params, model.input_shape)
        if report.has_errors():
            raise ParamValidationError(report=report.generate_report())
        try:
            result = self._answer(model, params, patience)
        except AwsError as error:
            document: Any = {"Error": {"Code": error.code, "Message": error.message}}
            raise client.exceptions.from_code(error.code)(document, operation) from None
        if model.output_shape is not None:
            report = _VALIDATOR.validate(result, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        self._interruptions.point()
        return {**result, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def _answer(self, operation: OperationModel, params: dict[str, Any], patience: timedelta) -> Answer:
        service = operation.service_model.service_name
        began = self._clock.now()
        self._interruptions.point()
        self._clock.sleep(0.01)
        if self._clock.now() - began > patience:
            raise ReadTimeoutError(endpoint_url=service)
        method: Callable[..., Answer] = getattr(self._models[service], xform_name(operation.name))
        self.calls.append((operation.name, params))
        return method(**{xform_name(name): value for name, value in params.items()})


def _make_client(service: str) -> Any:  # noqa: ANN401 - see above
    return _SESSION.client(
        service,  # type: ignore[call-overload]
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="none",
    )
