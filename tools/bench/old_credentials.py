"""What an old credential of the database still opens: after a rotation of Gantry's, and after AWS's.

AWS documents how to rotate alternating users: of two users with one secret, the one that is not in use gets a
new password, and the secret names it from then on ("Lambda function rotation strategies" in the AWS Secrets
Manager User Guide). The earlier user keeps its password until its turn comes.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg

from tools.bench.measurement import Measurement

Login = Mapping[str, Any]
_POLL_SECONDS = 0.2
_METHOD = "a log-in every 0.2 s from the start of the rotation on, and one session that is held"


class Database:
    """The database, as seen with a credential of the application.

    Parameters
    ----------
    read
        Returns what the secret says now.
    authority
        File of the certificate that vouches for the server.
    """

    def __init__(self, read: Callable[[], Login], *, authority: str) -> None:
        self.read, self._authority = read, authority

    def session(self, login: Login) -> psycopg.Connection:
        """Log in."""
        return psycopg.connect(
            host=login["host"], port=login["port"], dbname=login["dbname"], user=login["username"],
            password=login["password"], sslmode="verify-full", sslrootcert=self._authority, autocommit=True,
        )  # fmt: skip

    def lets_in(self, login: Login) -> bool:
        """Return whether a credential logs in."""
        with suppress(psycopg.OperationalError):
            self.session(login).close()
            return True
        return False


def measure(
    design: str, database: Database, rotate: Callable[[], object], rotate_at_once: Callable[[], object]
) -> Iterator[Measurement]:
    """Rotate, and twice in a row, and look at what the credential of before opens.

    Parameters
    ----------
    design
        What the way to rotate is called.
    rotate
        Rotates, and returns when nothing is left to be done.
    rotate_at_once
        Rotates without waiting for anything, or is refused.
    """
    ours = design == "this design"
    old = database.read()
    began = time.monotonic()
    with database.session(old) as held, ThreadPoolExecutor(1) as pool:
        rotation = pool.submit(rotate)
        last = began
        while database.lets_in(old):
            last = time.monotonic()
            if rotation.done():
                break
            time.sleep(_POLL_SECONDS)
        rotation.result()
        alive = _is_alive(held)
    still = database.lets_in(old)
    yield Measurement(
        name=f"old credential, {design}: logs in after the rotation", value=int(still), unit="",
        target="0" if ours else "", method=f"{_METHOD}; the last one {last - began:.1f} s after the start",
    )  # fmt: skip
    yield Measurement(
        name=f"old credential, {design}: open session lives", value=int(alive), unit="",
        target="0" if ours else "", method=_METHOD,
    )  # fmt: skip
    in_use = database.read()
    for _ in range(2):
        rotate_at_once()
    yield Measurement(
        name=f"two rotations in a row, {design}: tasks that started before are locked out",
        value=int(not database.lets_in(in_use)), unit="", target="0" if ours else "",
        method="the credential that they read, right after the second rotation was asked for",
    )  # fmt: skip


def _is_alive(session: psycopg.Connection) -> bool:
    with suppress(psycopg.OperationalError):
        session.execute("SELECT 1")
        return True
    return False
