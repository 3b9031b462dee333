"""Signatures that survive the rotation of the signing key."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Self

from taskboard.settings import SigningKeys

_PURPOSE = b"session cookie\x00"  # the same key may sign other things some day
_MAX_SIGNATURES = 4


@dataclass(frozen=True)
class Verified:
    """A value whose signature is good.

    Attributes
    ----------
    value
        What was signed.
    is_current
        Whether the current key signed it; otherwise it should be signed again before the key goes.
    """

    value: str
    is_current: bool


class KeyRing:
    """Signs with every key it holds, the current one first, and trusts a signature of any of them.

    The previous key signs too, although the current one alone would do for this process: while a new key is
    rolled out, the next request may reach a process that was started before and knows only the previous key.

    Attributes
    ----------
    ids
        Public names of the keys, the current one first.
    """

    def __init__(self, *keys: str) -> None:
        self._keys = {key_id(key): key.encode() for key in keys}
        self.ids = tuple(self._keys)

    @classmethod
    def of(cls, keys: SigningKeys) -> Self:
        """Make the ring of a signing-key secret."""
        secrets = [keys.current, *([keys.previous] if keys.previous else [])]
        return cls(*(secret.get_secret_value() for secret in secrets))

    def sign(self, value: str) -> str:
        """Return the value with its signatures; it must not contain a full stop."""
        signatures = (f"{name}-{_signature(key, value)}" for name, key in self._keys.items())
        return ".".join([value, *signatures])

    def verify(self, signed: str) -> Verified | None:
        """Return what was signed, or None when no key of the ring signed it."""
        value, *signatures = signed.split(".")
        good = set()
        for signature in signatures[:_MAX_SIGNATURES]:
            name, _, given = signature.partition("-")
            key = self._keys.get(name)
            if key is not None and hmac.compare_digest(_signature(key, value).encode(), given.encode()):
                good.add(name)
        return Verified(value=value, is_current=self.ids[0] in good) if good else None


def key_id(key: str) -> str:
    """Return a key's public name: the first 8 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def _signature(key: bytes, value: str) -> str:
    digest = hmac.digest(key, _PURPOSE + value.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
