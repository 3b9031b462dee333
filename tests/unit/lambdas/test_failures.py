"""What is said of a failure never holds a secret, no matter who raised it."""

import ssl
from typing import Any

import pg8000.native
import pytest
import valkey
from botocore.exceptions import ClientError, ParamValidationError

from gantry_runtime.failures import SafeError, describe
from gantry_runtime.secrets import SecretError, parse

SECRET = "hunter2hunter2"
REFUSAL: Any = {"Error": {"Code": "InvalidParameterValue", "Message": f"Value '{SECRET}' is too short"}}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ClientError(REFUSAL, "ModifyUser"), "ModifyUser failed: InvalidParameterValue"),
        (ParamValidationError(report=f"Invalid type, value: {SECRET}"), "ParamValidationError"),
        (
            pg8000.native.DatabaseError({"C": "42601", "M": f"at {SECRET}", "W": f"PASSWORD '{SECRET}'"}),
            "PostgreSQL refused: SQLSTATE 42601",
        ),
        (valkey.ResponseError(f"unknown command AUTH app {SECRET}"), "ResponseError"),
        (KeyError(SECRET), "KeyError"),
        (ValueError(SECRET), "ValueError"),
    ],
)
def test_what_libraries_say_is_not_repeated(error: Exception, said: str) -> None:
    assert describe(error) == said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SafeError("version 7 has no value"), "version 7 has no value"),
        (ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused"),
        (ssl.SSLCertVerificationError("certificate verify failed"), "certificate verify failed"),
        (pg8000.native.InterfaceError("Server refuses SSL"), "Server refuses SSL"),
    ],
)
def test_what_helps_is_said(error: Exception, said: str) -> None:
    assert said in describe(error)


def test_secret_that_is_no_document_is_named_and_not_shown() -> None:
    with pytest.raises(SecretError, match=r"^AWSCURRENT of x is not a JSON object$") as caught:
        parse(f'{{"password": "{SECRET}', "AWSCURRENT of x")
    assert caught.value.__context__ is None
