"""What the operator's commands read from a cloud assembly."""

from pathlib import Path

import pytest

from ops.assembly import parse_overrides, synthesised
from ops.console import CliError
from tests.unit.ops.assemblies import assembly, resource, stack

KEY = resource("AWS::KMS::Key", "State/Keys/Data/Resource")
VPC = resource("AWS::EC2::VPC", "Network/Vpc/Resource")


def test_stacks_are_in_the_order_in_which_they_deploy(tmp_path: Path) -> None:
    read = assembly(
        tmp_path,
        Data=stack(depends_on=("Network", "State", "Data.assets")),
        Network=stack(depends_on=("State",)),
        State=stack(),
        Alone=stack(),
    )
    assert [each.id for each in read.stacks] == ["State", "Network", "Data", "Alone"]


def test_stack_knows_where_it_is_deployed(tmp_path: Path) -> None:
    (only,) = assembly(tmp_path, State=stack(description="keys", region="eu-west-1")).stacks
    assert (only.name, only.layer, only.account, only.region, only.description) == (
        "gantry-test-state", "state", "111111111111", "eu-west-1", "keys",
    )  # fmt: skip


def test_construct_is_what_a_person_named(tmp_path: Path) -> None:
    read = assembly(
        tmp_path,
        Data=stack(
            resource("AWS::RDS::DBCluster", "Data/Database/Cluster/Resource"),
            resource("Custom::CacheUser", "Data/Cache/User/Resource/Default"),
            resource("AWS::RDS::DBInstance", "Data/Database/Cluster/Writer/Instance"),
        ),
    )
    assert [each.construct for each in read.resources] == [
        "Database/Cluster", "Cache/User", "Database/Cluster/Writer/Instance",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("exports", "use"),
    [
        ({"state:key": {"Ref": "StateKeysDataResource"}}, {"Fn::ImportValue": "state:key"}),
        (
            {"state:key": {"Fn::GetAtt": ["StateKeysDataResource", "Arn"]}},
            {"Fn::Join": ["", ["arn:", {"Fn::ImportValue": "state:key"}]]},
        ),
        (
            {"any": {"Fn::GetAtt": ["StateKeysDataResource", "Arn"]}},
            {"Fn::GetStackOutput": {"StackName": "gantry-test-state", "OutputName": "Export0"}},
        ),
        ({"state:key": {"Fn::Sub": "x:${StateKeysDataResource.Arn}"}}, {"Fn::ImportValue": "state:key"}),
    ],
    ids=["ref", "attribute inside a join", "weak", "substitution"],
)
def test_use_of_another_stack_is_a_reference_to_its_resource(
    tmp_path: Path, exports: dict[str, object], use: object
) -> None:
    read = assembly(
        tmp_path,
        State=stack(KEY, exports=exports),
        Data=stack(resource("AWS::RDS::DBCluster", "Data/Cluster/Resource", KmsKeyId=use, Again=[use])),
    )
    (reference,) = read.cross_stack_references()
    assert (reference.consumer.name, reference.producer.construct) == ("Cluster", "Keys/Data")


def test_use_inside_a_stack_is_no_reference_between_layers(tmp_path: Path) -> None:
    subnet = resource("AWS::EC2::Subnet", "Network/Subnet/Resource", VpcId={"Ref": "NetworkVpcResource"})
    read = assembly(tmp_path, Network=stack(VPC, subnet))
    assert not list(read.cross_stack_references())
    consumer = next(each for each in read.resources if each.name == "Subnet")
    assert [each.name for each in read.referents(consumer)] == ["Vpc"]


def test_referrers_are_found_in_other_stacks_too(tmp_path: Path) -> None:
    use = {"Fn::ImportValue": "state:key"}
    read = assembly(
        tmp_path,
        State=stack(
            KEY,
            resource("AWS::KMS::Alias", "State/Alias", TargetKeyId={"Ref": "StateKeysDataResource"}),
            exports={"state:key": {"Ref": "StateKeysDataResource"}},
        ),
        Data=stack(resource("AWS::S3::Bucket", "Data/Bucket", Key=use, KeyAgain=use)),
    )
    key = next(iter(read.resources))
    assert [each.name for each in read.referrers(key)] == ["Alias", "Bucket"]


def test_property_is_found_by_its_path(tmp_path: Path) -> None:
    body = resource("AWS::RDS::DBCluster", "Data/Cluster", Scaling={"MinCapacity": 0.5})
    (cluster,) = assembly(tmp_path, Data=stack(body)).resources
    assert cluster.get("Scaling", "MinCapacity") == 0.5
    assert cluster.get("Scaling", "MaxCapacity", "Nothing", default="none") == "none"


def test_overrides_are_settings_with_a_value() -> None:
    assert parse_overrides(["ecs.max_capacity=8", "name=a=b"]) == {"ecs.max_capacity": "8", "name": "a=b"}
    with pytest.raises(CliError, match=r"'ecs\.max_capacity' overrides no setting: write key=value"):
        parse_overrides(["ecs.max_capacity"])


def test_failure_to_synthesise_says_what_the_app_said() -> None:
    with (
        pytest.raises(CliError, match="does not synthesise dev") as raised,
        synthesised("dev", overrides=["ecs.memory_mib=999"]),
    ):
        pass
    assert raised.value.detail is not None
    assert "ecs.memory_mib" in raised.value.detail


def test_environment_that_there_is_not_ends_in_one_sentence() -> None:
    with pytest.raises(CliError, match=r"'nowhere' has no file config/nowhere.toml"), synthesised("nowhere"):
        pass
