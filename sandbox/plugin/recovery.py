"""Stack operations that were interrupted by a crash or by `down`: the next start rolls them back."""

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, stacks

from sandbox.plugin.cloudformation import is_changing
from sandbox.plugin.patching import wrap
from sandbox.ports import HOST

_logger = logging.getLogger(__name__)

Stack = dict[str, Any]

# What a rollback has to know and the running operation alone knows; kept on the stack's record meanwhile.
_OPERATION = "_running_operation"


def install() -> None:
    """Remember what a running operation would need for its rollback."""
    for module in (changesets, handlers):

        @wrap(module, "_deploy_stack_async")
        async def deploy(
            original: Callable[..., Awaitable[None]],
            stack_name: str,
            stack_id: str,
            template: dict[str, Any],
            param_values: dict[str, Any],
            *rest: object,
            **options: object,
        ) -> None:
            stack = cloudformation._stacks[stack_name]
            stack[_OPERATION] = {
                "template": template,
                "parameters": param_values,
                "previous": options.get("previous_stack"),
            }
            await original(stack_name, stack_id, template, param_values, *rest, **options)
            stack.pop(_OPERATION, None)


def recover(port: int) -> None:
    """Roll back, or go on deleting, every stack that was changing when the control plane ended.

    Parameters
    ----------
    port
        Port of the control plane: nothing is done before it serves, because functions may have to run.
    """
    for (account, region, name), stack in list(cloudformation._stacks.all_items()):
        if is_changing(stack["StackStatus"]):
            _logger.warning("%s was interrupted (%s)", name, stack["StackStatus"])
            with request_scope(account, region):
                task = asyncio.get_running_loop().create_task(_finish(name, stack, port))
                _tasks.add(task)
                task.add_done_callback(_tasks.discard)


_tasks: set["asyncio.Task[None]"] = set()


async def _finish(name: str, stack: Stack, port: int) -> None:
    await _served(port)
    try:
        if stack["StackStatus"] == "DELETE_IN_PROGRESS":
            await stacks._delete_stack_async(name, stack["StackId"])
        else:
            operation, reason = _operation(stack), "The sandbox was interrupted"
            await stacks._roll_back_operation(
                name, stack["StackId"], stack, operation, reason_override=reason
            )
    except Exception:
        _logger.exception("%s could not be rolled back", name)
        stack["StackStatus"] = "ROLLBACK_FAILED"
    stack.pop(_OPERATION, None)


async def _served(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def _operation(stack: Stack) -> dict[str, Any]:
    running = stack.get(_OPERATION) or {}
    previous = running.get("previous")
    template = running.get("template") or stack.get("_template") or {}
    parameters = running.get("parameters") or {}
    before = (previous or {}).get("_resources", {})
    resources = stack["_resources"]
    unfinished = _resource_in_progress(stack, template)
    if unfinished is not None and unfinished in before:
        # Its update may have been applied: with the new properties on record it is sent back with the others.
        resources[unfinished] = before[unfinished] | {
            "Properties": _resolved(stack, template, parameters, unfinished)
        }
    changed = [
        logical_id
        for logical_id, resource in resources.items()
        if logical_id not in before or resource != before[logical_id]
    ]
    operation: dict[str, Any] = stacks._failed_operation(
        previous is not None, previous, changed, None, None, [], False, template, parameters, False,
        stack.get("Tags") or [], (previous or {}).get("Tags") or [],
    )  # fmt: skip
    return operation


def _resource_in_progress(stack: Stack, template: dict[str, Any]) -> str | None:
    events = cloudformation._stack_events.get(stack["StackId"], [])
    latest = {event["LogicalResourceId"]: event["ResourceStatus"] for event in events}
    return next(
        (
            logical_id
            for logical_id in template.get("Resources", {})
            if latest.get(logical_id) == "UPDATE_IN_PROGRESS"
        ),
        None,
    )


def _resolved(
    stack: Stack, template: dict[str, Any], parameters: dict[str, Any], logical_id: str
) -> dict[str, Any]:
    conditions = stacks._evaluate_conditions(template, parameters)
    properties: dict[str, Any] = stacks._resolve_refs(
        copy.deepcopy(template["Resources"][logical_id].get("Properties", {})),
        stack["_resources"], parameters, conditions, template.get("Mappings", {}),
        stack["StackName"], stack["StackId"],
    )  # fmt: skip
    return properties
