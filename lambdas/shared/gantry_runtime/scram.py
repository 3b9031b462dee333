"""Password verifiers as PostgreSQL stores them, so that no statement carries a password."""

import base64
import hashlib
import hmac
import os

_ITERATIONS = 4096  # PostgreSQL's own default, scram_iterations


def verifier(password: str) -> str:
    """Return the SCRAM-SHA-256 verifier of a password of ASCII characters (RFC 5803).

    Raises
    ------
    ValueError
        When the password holds other characters, which would need SASLprep first.
    """
    if not password.isascii():
        raise ValueError("the password holds characters that are not ASCII")
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server_key = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${_ITERATIONS}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
