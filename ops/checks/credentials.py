"""Whose credentials ask: everything else that asks AWS depends on it."""

from collections.abc import Iterator

from ops.checks.context import Context
from ops.checks.results import Check, Result, failed, ok


def _credentials(context: Context) -> Iterator[Result]:
    caller, settings = context.client("sts").get_caller_identity(), context.settings
    if caller["Account"] == settings.account:
        yield ok("credentials", f"{caller['Arn']} is of account {settings.account}.")
    else:
        yield failed(
            "credentials",
            f"{caller['Arn']} is of account {caller['Account']}; {settings.environment} is in "
            f"{settings.account}.",
            "Choose others with AWS_PROFILE.",
        )


CREDENTIALS = Check("credentials", _credentials)
