"""CloudFormation: attributes that ministack does not return, and no waiting for a poll of the CDK CLI."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from ministack.core.responses import get_account_id, request_scope
from ministack.services import cloudformation, dynamodb, ec2
from ministack.services.cloudformation import engine, provisioners, stacks
from ministack.services.cloudformation import handlers as actions

from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import Delete, Properties, Provisioned, handlers
from sandbox.plugin.responses import Response

Outputs = tuple[list[dict[str, Any]], dict[str, dict[str, str]]]

# The CLI asks every five seconds whether a stack is done.
_LONGEST_ANSWER_SECONDS = 30.0


def install() -> None:
    """Correct what ministack does differently."""
    _return_address_ranges()
    _record_metric_math()
    _find_outputs_of_other_regions()
    _keep_exports_in_use()
    _keep_protected_tables()
    _answer_the_cli_when_it_is_done()


def _return_address_ranges() -> None:
    # ministack's VPC has no attribute CidrBlock.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-vpc.html
    entry = handlers("AWS::EC2::VPC")

    def complete(original: Callable[..., Provisioned], *arguments: object) -> Provisioned:
        vpc, attributes = original(*arguments)
        return vpc, attributes | {"CidrBlock": ec2._vpcs[vpc]["CidrBlock"]}

    @wrap(entry, "create")
    def create(original: Callable[..., Provisioned], *arguments: object) -> Provisioned:
        return complete(original, *arguments)

    @wrap(entry, "update")
    def update(original: Callable[..., Provisioned], *arguments: object) -> Provisioned:
        return complete(original, *arguments)


def _record_metric_math() -> None:
    # ministack refuses alarms on expressions. They exist, and never leave INSUFFICIENT_DATA.
    # "Metrics" in https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    @wrap(provisioners, "_cw_metric_alarm_record")
    def record(original: Callable[[str, Properties], Properties], name: str, props: Properties) -> Properties:
        if not props.get("Metrics"):
            return original(name, props)
        simple = {"MetricName": "expression", "Namespace": "expression", "Threshold": 0} | props
        alarm = original(name, {key: value for key, value in simple.items() if key != "Metrics"})
        return alarm | {"MetricName": "", "Namespace": "", "Metrics": props["Metrics"]}


def _find_outputs_of_other_regions() -> None:
    # ministack looks for the stack of Fn::GetStackOutput in the region of the one that asks.
    # "Region" in https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-getstackoutput.html
    for module in (engine, stacks):

        @wrap(module, "_resolve_refs")
        def resolve(original: Callable[..., Any], value: object, *rest: object) -> object:
            output = value.get("Fn::GetStackOutput") if isinstance(value, dict) else None
            if not isinstance(output, dict) or "Region" not in output:
                return original(value, *rest)
            with request_scope(get_account_id(), output["Region"]):
                return original(value, *rest)


def _keep_exports_in_use() -> None:
    # ministack lets an update change an export under those that import it.
    # The note in https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-importvalue.html
    @wrap(stacks, "_resolve_stack_outputs")
    def resolve(original: Callable[..., Outputs], *rest: object) -> Outputs:
        outputs, exports = original(*rest)
        stack_id = rest[-1]
        for name, export in cloudformation._exports.items():
            if export["StackId"] != stack_id or exports.get(name, {}).get("Value") == export["Value"]:
                continue
            users = [
                stack for stack, record in cloudformation._stacks.items()
                if record.get("_resources") and name in actions._imported_export_names(record, stack)
            ]  # fmt: skip
            if users:
                verb = "update" if name in exports else "delete"
                raise ValueError(f"Cannot {verb} export {name} as it is in use by {', '.join(users)}")
        return outputs, exports


def _keep_protected_tables() -> None:
    # ministack deletes them past its own API, which refuses that.
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.Basics.html#WorkingWithTables.Basics.DeletionProtection
    @wrap(handlers("AWS::DynamoDB::Table"), "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        if dynamodb._tables.get(physical_id, {}).get("DeletionProtectionEnabled"):
            raise ValueError(
                f"Resource cannot be deleted as it is currently protected against deletion: {physical_id}"
            )
        original(physical_id, props)


def _answer_the_cli_when_it_is_done() -> None:
    # Otherwise each of the stacks costs up to the five seconds between two polls.
    @wrap(cloudformation, "handle_request")
    async def handle_request(
        original: Callable[..., Any], method: str, path: str, headers: dict[str, str], body: bytes,
        *rest: object,
    ) -> Response:  # fmt: skip
        request = parse_qs(body.decode(errors="replace"))
        if "aws-cdk" in headers.get("user-agent", "") and request.get("Action") == ["DescribeStacks"]:
            await _wait_until_stable(request.get("StackName", [""])[0])
        response: Response = await original(method, path, headers, body, *rest)
        return response


def is_changing(status: str) -> bool:
    """Return whether a stack in this status changes by itself; one in review waits for its change set."""
    return status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


async def _wait_until_stable(stack_name: str) -> None:
    deadline = time.monotonic() + _LONGEST_ANSWER_SECONDS
    while time.monotonic() < deadline:
        stack = actions._resolve_stack(stack_name)
        if stack is None or not is_changing(stack["StackStatus"]):
            return
        await asyncio.sleep(0.02)
