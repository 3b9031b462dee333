"""The deploy lock."""

from collections.abc import Iterator
from dataclasses import dataclass

from ops.deployments import lease
from ops.deployments.lock import Holder
from ops.deployments.lock import Lock as DeployLock
from ops.status.look import Look
from ops.status.part import Part


@dataclass(frozen=True, kw_only=True)
class Lock(Part):
    """The lock as it was read once: whether its holder still renews it shows only who waits for it.

    Attributes
    ----------
    holder
        Who holds it, for what and since when; None while it is free.
    """

    holder: Holder | None

    def lines(self) -> Iterator[str]:
        """Yield who holds it."""
        yield "free" if self.holder is None else lease.describe(self.holder)


def read(look: Look) -> Lock:
    """Return the lock of the environment's deployments."""
    table = look.outputs("state")["LedgerTableName"]
    state = DeployLock(look.environment.dynamodb, table).read()
    return Lock(holder=state.holder if state else None)
