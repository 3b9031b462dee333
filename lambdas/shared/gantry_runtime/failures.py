"""Failures in words that cannot hold a secret."""

import traceback
from pathlib import Path

from botocore.exceptions import ClientError


class SafeError(Exception):
    """An error whose text is written here, out of names and numbers, and never out of a secret's value."""


def describe(error: BaseException) -> str:
    """Return what went wrong, as far as it is certain not to quote a secret.

    Libraries quote what they were given: botocore a parameter of the wrong type, AWS a value that it refuses,
    PostgreSQL the statement that failed, Valkey the command that it does not know.
    """
    kind = type(error).__name__
    if isinstance(error, SafeError):
        return str(error)
    if isinstance(error, ClientError):
        return f"{error.operation_name} failed: {error.response['Error']['Code']}"
    if kind == "DatabaseError" and isinstance(error.args[0], dict):
        return f"PostgreSQL refused: SQLSTATE {error.args[0].get('C', 'unknown')}"
    if isinstance(error, OSError) or kind == "InterfaceError":
        return f"{kind}: {error}"  # of connections: these name addresses and certificates
    frames = traceback.extract_tb(error.__traceback__)
    return f"{kind} at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else kind
