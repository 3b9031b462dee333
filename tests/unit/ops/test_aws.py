"""Whose credentials are used."""

from types import SimpleNamespace
from typing import Any

import pytest

from ops.aws import Environment
from ops.console import CliError
from stacks.settings import load_settings


def environment(account: str, *, endpoint_url: str | None = None) -> Environment:
    sts = SimpleNamespace(get_caller_identity=lambda: {"Account": account})
    session: Any = SimpleNamespace(client=lambda *_, **__: sts)
    return Environment(load_settings("prod", environ={}), session, endpoint_url)


def test_credentials_of_another_account_are_refused() -> None:
    with pytest.raises(CliError, match="are of account 999999999999; prod is in 333333333333"):
        environment("999999999999").require_own_account()


def test_own_credentials_and_the_sandboxs_are_taken() -> None:
    environment("333333333333").require_own_account()
    environment("999999999999", endpoint_url="http://127.0.0.1:1").require_own_account()
