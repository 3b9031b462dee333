"""Calls that are made at the same time, and end with the command that made them."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from datetime import timedelta
from threading import Thread
from typing import TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")


def at_once(calls: Mapping[Key, Callable[[], Result]], *, within: timedelta) -> dict[Key, Future[Result]]:
    """Make calls in a thread each and return what became of them; one that is not done in time goes on.

    An executor's threads would be waited for when the process ends, also after Ctrl-C.
    """
    futures: dict[Key, Future[Result]] = {name: Future() for name in calls}
    for name, call in calls.items():
        Thread(target=_make, args=(call, futures[name]), name=str(name), daemon=True).start()
    wait(futures.values(), timeout=within.total_seconds())
    return futures


def _make(call: Callable[[], Result], future: Future[Result]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - for who asks for the result
        future.set_exception(error)
