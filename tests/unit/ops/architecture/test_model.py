"""What the map says of an assembly."""

from pathlib import Path

import pytest

from ops.architecture import model
from ops.architecture.vocabulary import Kind, words
from tests.unit.ops.assemblies import assembly, logical_id, resource, stack

KEYS = [resource("AWS::KMS::Key", f"State/Keys/{name}/Resource") for name in ("Data", "Logs")]
ROLE = resource("AWS::IAM::Role", "State/Role/Resource")


def groups(tmp_path: Path, *resources: dict[str, object]) -> list[model.Group]:
    (layer,) = model.of(assembly(tmp_path, State=stack(*resources))).layers
    return list(layer.groups)


def test_layers_stand_in_deployment_order_with_all_their_resources_counted(tmp_path: Path) -> None:
    picture = model.of(
        assembly(
            tmp_path,
            Data=stack(depends_on=("State",), description="Gantry: database and cache"),
            State=stack(*KEYS, ROLE),
        )
    )
    assert [(layer.name, layer.description, layer.resources) for layer in picture.layers] == [
        ("State", "", 3), ("Data", "database and cache", 0),
    ]  # fmt: skip


def test_resources_of_one_type_in_a_construct_are_one_item_that_names_them(tmp_path: Path) -> None:
    (group,) = groups(tmp_path, *KEYS, resource("AWS::KMS::Alias", "State/Keys/Alias"))
    assert group.items == (model.Item("2 KMS keys", "data, logs", Kind.SECURITY),)


def test_lone_constructs_of_one_type_share_a_card(tmp_path: Path) -> None:
    secrets = [
        resource("AWS::SecretsManager::Secret", f"State/{n}Secret/Resource") for n in ("Database", "Valkey")
    ]
    (group,) = groups(tmp_path, *secrets)
    assert group.title == "2 secrets"
    assert [item.label for item in group.items] == ["database", "Valkey"]


def test_card_does_not_say_the_same_twice(tmp_path: Path) -> None:
    (group,) = groups(tmp_path, resource("AWS::SNS::Topic", "State/AlertTopic/Resource"))
    assert (group.title, group.items[0].label) == ("", "alert topic")


def test_what_watches_over_a_construct_stands_last_in_its_card(tmp_path: Path) -> None:
    logs = resource("AWS::Logs::LogGroup", "State/Web/LogGroup")
    (group,) = groups(tmp_path, logs, resource("AWS::ECS::Cluster", "State/Web/Cluster"))
    assert [item.label for item in group.items] == ["ECS cluster", "log group"]


def test_resource_of_an_unknown_type_is_on_the_map(tmp_path: Path) -> None:
    (group,) = groups(tmp_path, resource("AWS::Quantum::FluxCapacitor", "State/Flux/Resource"))
    assert group.items[0].label == "Quantum flux capacitor"


def test_supporting_resources_and_helpers_of_the_cdk_are_not(tmp_path: Path) -> None:
    helper = resource("AWS::Lambda::Function", "State/Custom::S3AutoDelete/Handler")
    assert groups(tmp_path, ROLE, helper) == []


def test_what_differs_only_in_a_number_is_counted(tmp_path: Path) -> None:
    subnets = [
        resource("AWS::EC2::Subnet", f"State/Vpc/{kind}Subnet{number}/Subnet")
        for kind in ("public", "private")
        for number in (1, 2)
    ]
    (group,) = groups(tmp_path, *subnets)
    assert group.items[0].detail == "public (2), private (2)"


def test_facts_are_read_from_the_template(tmp_path: Path) -> None:
    cluster = resource(
        "AWS::RDS::DBCluster",
        "State/Database/Cluster/Resource",
        Engine="aurora-postgresql",
        EngineVersion="17.9",
        ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 16},
    )
    task = resource("AWS::ECS::TaskDefinition", "State/Database/Task/Resource", Cpu="256", Memory="512")
    (group,) = groups(tmp_path, cluster, task)
    assert [item.detail for item in group.items] == [
        "PostgreSQL 17.9, 0.5 to 16 ACU", "0.25 vCPU, 0.5 GB a task",
    ]  # fmt: skip


def test_uses_name_each_resource_of_another_layer_once(tmp_path: Path) -> None:
    use = {"Fn::ImportValue": "keys:data"}
    cluster = resource("AWS::RDS::DBCluster", "Data/Cluster/Resource", KmsKeyId=use)
    secret = resource("AWS::SecretsManager::Secret", "Data/Secret/Resource", KmsKeyId=use)
    picture = model.of(
        assembly(
            tmp_path,
            State=stack(*KEYS, exports={"keys:data": {"Fn::GetAtt": [logical_id(KEYS[0]), "Arn"]}}),
            Data=stack(cluster, secret, depends_on=("State",)),
        )
    )
    assert picture.layers[0].uses == ()
    assert picture.layers[1].uses == (model.Use("State", ("KMS key: data",)),)


def test_stack_of_another_region_says_where_it_is(tmp_path: Path) -> None:
    picture = model.of(assembly(tmp_path, State=stack(), Recovery=stack(region="us-west-2")))
    assert [layer.other_region for layer in picture.layers] == ["", "us-west-2"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DatabaseRolesFunction", "database roles function"),
        ("HTTPSListener", "HTTPS listener"),
        ("S3", "S3"),
        ("DynamoDb", "DynamoDB"),
        ("Reader1", "reader 1"),
        ("publicSubnet12", "public subnet 12"),
    ],
)
def test_identifiers_read_as_words(name: str, expected: str) -> None:
    assert words(name) == expected
