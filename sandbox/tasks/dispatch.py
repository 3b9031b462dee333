"""Hands things to the emulated AWS in order, without making their owner wait."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sandbox.tasks.host import Aws

_logger = logging.getLogger(__name__)


class Dispatcher:
    """Calls the functions of `Aws` that put something on threads of their own, one for each kind of thing."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._events = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ecs-events")
        self._logs = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ecs-logs")

    @property
    def aws(self) -> Aws:
        """The same functions, returning at once."""
        return Aws(
            secret_value=self._aws.secret_value,
            alarms=self._aws.alarms,
            put_event=lambda event: self._submit(self._events, lambda: self._aws.put_event(event)),
            put_log_events=lambda group, stream, events: self._submit(
                self._logs, lambda: self._aws.put_log_events(group, stream, events)
            ),
        )

    def close(self) -> None:
        """Deliver what is left."""
        self._events.shutdown()
        self._logs.shutdown()

    @staticmethod
    def _submit(executor: ThreadPoolExecutor, call: Callable[[], None]) -> None:
        def deliver() -> None:
            try:
                call()
            except Exception:
                _logger.exception("the emulated AWS did not take what a task had for it")

        executor.submit(deliver)
