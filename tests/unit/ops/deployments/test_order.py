"""A rollback deploys what differs, in an order that CloudFormation accepts."""

from pathlib import Path
from typing import Any

import pytest

from ops.assembly import Assembly, Stack
from ops.console import CliError
from ops.deployments import order

TASK = "AWS::ECS::TaskDefinition"


def assembly(*layers: str) -> Assembly:
    stacks = (
        Stack(
            id=layer.capitalize(), name=layer, description="", account="1", region="r",
            depends_on=frozenset(), resources=(), exports={},
        )
        for layer in layers
    )  # fmt: skip
    return Assembly("prod", Path(), tuple(stacks))


def stack(
    kind: str = "AWS::SQS::Queue", *, value: str = "", needs: str = "", gives: str = ""
) -> dict[str, Any]:
    properties = {"Value": {"Fn::ImportValue": needs} if needs else value}
    outputs = {"O": {"Value": "v", "Export": {"Name": gives}}} if gives else {}
    return {"Resources": {"R": {"Type": kind, "Properties": properties}}, "Outputs": outputs}


def names(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [each.name for each in order.stacks(assembly("data", "compute", "security"), before, after)]


SAME = {"data": stack(gives="Host"), "security": stack()}


def test_compute_layer_is_deployed_alone_where_only_what_its_tasks_run_differs() -> None:
    before, after = SAME | {"compute": stack(TASK, value="2")}, SAME | {"compute": stack(TASK, value="1")}
    assert names(before, after) == ["compute"]


def test_stacks_that_differ_are_deployed_in_the_order_of_the_layers() -> None:
    before = {"data": stack(value="2"), "compute": stack(value="2"), "security": stack()}
    after = {"data": stack(value="1"), "compute": stack(value="1"), "security": stack()}
    assert names(before, after) == ["data", "compute"]


def test_tasks_that_need_an_export_that_is_gone_bring_its_stack_along() -> None:
    before = {"data": stack(), "compute": stack(TASK, value="2"), "security": stack()}
    after = {"data": stack(gives="Host"), "compute": stack(TASK, needs="Host"), "security": stack()}
    assert names(before, after) == ["data", "compute"]


def test_stack_that_stops_using_an_export_comes_before_the_one_that_stops_exporting_it() -> None:
    before = {"data": stack(gives="New"), "compute": stack(needs="New"), "security": stack()}
    after = {"data": stack(), "compute": stack(value="1"), "security": stack()}
    assert names(before, after) == ["compute", "data"]


def test_what_no_order_allows_is_refused() -> None:
    before = {"data": stack(gives="New"), "compute": stack(needs="New"), "security": stack()}
    after = {"data": stack(gives="Old"), "compute": stack(needs="Old"), "security": stack()}
    with pytest.raises(CliError, match="compute would let go of an export of today and need Old"):
        names(before, after)
