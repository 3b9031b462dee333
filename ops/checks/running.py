"""Runs a checklist: all of its checks side by side, after that of the credentials."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import explain
from ops.checks.credentials import CREDENTIALS
from ops.checks.results import AnyContext, Check, Checked, Line, Outcome, Result, overall, unknown
from ops.console import CliError

_AT_ONCE = 8


def run(
    lines: Sequence[Line[AnyContext]], context: AnyContext, *, on_done: Callable[[str], None] = lambda _: None
) -> list[Checked]:
    """Return what the checks of a checklist found.

    Parameters
    ----------
    lines
        The checklist.
    context
        What is checked.
    on_done
        Is called with the name of each check that ended.
    """
    account = Checked("The account can be asked", _results(CREDENTIALS, context))
    may_ask = overall(account.results) is Outcome.OK

    def results(check: Check[AnyContext]) -> list[Result]:
        if check.asks_aws and not may_ask:
            return [unknown(check.name, f"Not asked, because of the {CREDENTIALS.name} above.")]
        found = _results(check, context)
        on_done(check.name)
        return found

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        begun = [(line.title, [pool.submit(results, each) for each in line.checks]) for line in lines]
        checked = [Checked(title, [r for each in found for r in each.result()]) for title, found in begun]
    return [account, *checked]


def _results(check: Check[AnyContext], context: AnyContext) -> list[Result]:
    """Return what a check found; what it cannot ask is not known, and is no end of the others."""
    found: list[Result] = []
    try:
        found.extend(check.find(context))
    except (BotoCoreError, ClientError) as error:
        found.append(_unanswered(check.name, explain(error)))
    except CliError as error:
        found.append(_unanswered(check.name, error))
    return found


def _unanswered(name: str, error: CliError) -> Result:
    return unknown(name, error.message, error.remedy or "")
