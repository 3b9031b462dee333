"""Services that answer as a test says, for code that only reads."""

import weakref
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ops.aws import Environment
from stacks.settings import Settings
from tests.aws.transport import Answer, Aws, AwsError, Interruptions, SimulatedClock

Answers = dict[str, dict[str, Any]]
"""By service and operation, an answer, an error, or a function of the parameters."""


class Service:
    """A service; an operation is a method in snake case."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def __getattr__(self, operation: str) -> Any:  # noqa: ANN401 - each operation has parameters of its own
        def call(**params: object) -> Answer:
            found = self._answers[operation]
            if isinstance(found, AwsError):
                raise found
            answer: Answer = found(**params) if callable(found) else found
            return answer

        return call


def environment(settings: Settings, answers: Answers) -> Environment:
    """Return an environment in an account whose services answer so."""
    aws = Aws(
        {service: Service(each) for service, each in answers.items()},
        clock=SimulatedClock(),
        interruptions=Interruptions(),
    )

    def client(service: str, **_options: object) -> Any:  # noqa: ANN401 - each service has a type of its own
        return aws.client(service)

    session: Any = SimpleNamespace(client=client)
    made = Environment(settings, session, endpoint_url=None)
    weakref.finalize(made, aws.close)
    return made
