"""What differs between templates is said by resource and property."""

import json
from typing import Any

import pytest

from ops.deployments.changes import changes, count, image, templates


def template(**resources: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": resources}


def queue(**properties: object) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def test_added_removed_and_changed_resources_are_distinguished() -> None:
    before = {"state": template(Old=queue(), Same=queue(), Other=queue(DelaySeconds=1))}
    after = {"state": template(New=queue(), Same=queue(), Other=queue(DelaySeconds=2))}
    found = changes(before, after)
    assert {(each.logical_id, each.action) for each in found} == {
        ("New", "added"), ("Old", "removed"), ("Other", "changed"),
    }  # fmt: skip
    assert [each.properties for each in found if each.action == "changed"] == [{"DelaySeconds": (1, 2)}]
    assert count(found, after, before) == {"state": 3}


@pytest.mark.parametrize(
    ("before", "after", "differences"),
    [
        ({"A": {"B": [1, 2]}}, {"A": {"B": [1, 3]}}, {"A.B[1]": (2, 3)}),
        ({"A": {"Ref": "X"}}, {"A": {"Ref": "Y"}}, {"A": ({"Ref": "X"}, {"Ref": "Y"})}),
        (
            {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]},
            {"Tags": [{"Key": "b", "Value": "3"}]},
            {"Tags[b].Value": ("2", "3"), "Tags[a]": ({"Key": "a", "Value": "1"}, None)},
        ),
    ],
)
def test_what_differs_in_a_resource_is_named_by_its_path(
    before: dict[str, Any], after: dict[str, Any], differences: dict[str, Any]
) -> None:
    found = changes({"s": template(Q=queue(**before))}, {"s": template(Q=queue(**after))})
    assert {path: pair for each in found for path, pair in each.properties.items()} == differences


def test_template_with_other_letters_than_ascii_is_compared_as_cloudformation_returns_it() -> None:
    manifest = {
        "artifacts": {"S": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "S.json"}}}
    }
    local = json.dumps(template(Q=queue(Title="Latency (µs)"))).encode()
    made = templates({"manifest.json": json.dumps(manifest).encode(), "S.json": local})
    assert changes({"S": template(Q=queue(Title="Latency (?s)"))}, made) == []


def test_metadata_of_the_cdk_is_no_difference() -> None:
    before, after = template(Q=queue()), template(Q=queue() | {"Metadata": {"aws:cdk:path": "elsewhere"}})
    assert changes({"s": before}, {"s": after}) == []


def test_stack_whose_outputs_alone_differ_changes_no_resource() -> None:
    before, after = template(), {**template(), "Outputs": {"A": {"Value": 1}}}
    assert count([], {"s": after, "t": before}, {"s": before, "t": before}) == {"s": 0}


def test_templates_of_an_assembly_are_those_of_its_stacks() -> None:
    manifest = {
        "artifacts": {
            "State": {
                "type": "aws:cloudformation:stack",
                "properties": {"stackName": "gantry-x-state", "templateFile": "S.json"},
            },
            "Tree": {"type": "cdk:tree", "properties": {}},
        }
    }  # fmt: skip
    files = {"manifest.json": json.dumps(manifest).encode(), "S.json": b'{"Resources": {}}'}
    assert templates(files) == {"gantry-x-state": {"Resources": {}}}


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("r.example/app:v1", "r.example/app:v1"),
        ({"Fn::Sub": "${AWS::AccountId}/x:1"}, "${AWS::AccountId}/x:1"),
    ],
)
def test_image_is_the_service_container_s(named: object, shown: str) -> None:
    containers = [{"Name": "proxy", "Image": "other"}, {"Name": "service", "Image": named}]
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": containers}}
    assert image({"compute": template(Task=task)}) == shown
    assert image({"state": template(Q=queue())}) == ""
