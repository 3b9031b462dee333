"""What a deployment would take away is refused before it begins, and denied to those who deploy otherwise."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]  # has no annotations

from contract.stack_policy import IRREPLACEABLE, POLICY, STATEFUL
from ops import protection
from ops.assembly import read
from ops.aws import Environment
from ops.console import CliError
from stacks.settings import LAYERS, load_settings
from tests.unit.ops import assemblies


def stack(**resources: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "Resources": {name: {"Type": kind, "Properties": found} for name, (kind, found) in resources.items()}
    }


VPC = ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"})
TOPIC = ("AWS::SNS::Topic", {"TopicName": "alerts"})


def refusal(before: dict[str, Any], after: dict[str, Any], *lose: str) -> CliError:
    with pytest.raises(CliError) as raised:
        protection.refuse({"net": before}, {"net": after}, lose=lose)
    return raised.value


def test_table_of_what_is_kept_for_life_is_that_of_the_schemas() -> None:
    expected = {
        kind: tuple(sorted({path.split("/")[2] for path in schema.get("createOnlyProperties", ())}))
        for kind in sorted(STATEFUL | IRREPLACEABLE)
        for schema in [PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema]
    }
    assert protection.create_only() == expected, "ops/create_only.json differs from the schemas of cfn-lint"


def test_replacement_is_refused_with_setting_resource_and_property() -> None:
    error = refusal(stack(Vpc=VPC), stack(Vpc=("AWS::EC2::VPC", {"CidrBlock": "10.1.0.0/16"})))
    assert "net: AWS::EC2::VPC Vpc would be replaced: CidrBlock cannot change (network.cidr)" in str(error)
    assert "Set network.cidr back" in str(error.remedy)
    assert "-c lose=Vpc" in str(error.remedy)


def test_what_is_replaced_takes_along_what_refers_to_it_for_life() -> None:
    subnet = {"Subnet": ("AWS::EC2::Subnet", {"VpcId": {"Ref": "Vpc"}})}
    error = refusal(
        stack(Vpc=VPC, **subnet), stack(Vpc=("AWS::EC2::VPC", {"CidrBlock": "10.1.0.0/16"}), **subnet)
    )
    assert "Subnet would be replaced: VpcId cannot change" in str(error)


def test_what_uses_the_export_of_a_replaced_resource_is_replaced_too() -> None:
    network, moved = stack(Vpc=VPC), stack(Vpc=("AWS::EC2::VPC", {"CidrBlock": "10.1.0.0/16"}))
    for each in (network, moved):
        each["Outputs"] = {"Out": {"Value": {"Ref": "Vpc"}, "Export": {"Name": "net:vpc"}}}
    cache = stack(
        Cache=("AWS::ElastiCache::ServerlessCache", {"SubnetIds": [{"Fn::ImportValue": "net:vpc"}]})
    )
    with pytest.raises(CliError, match="Cache would be replaced: SubnetIds"):
        protection.refuse({"net": network, "data": cache}, {"net": moved, "data": cache})


def test_removal_is_refused_unless_it_is_given_up_by_name() -> None:
    both, one = stack(Vpc=VPC, Topic=TOPIC), stack(Vpc=VPC)
    assert "Topic would be removed" in str(refusal(both, one))
    protection.refuse({"net": both}, {"net": one}, lose=["Topic"])


def test_what_a_setting_counts_may_become_fewer() -> None:
    instance = ("AWS::RDS::DBInstance", {"DBInstanceIdentifier": "reader"})
    protection.refuse({"data": stack(Reader=instance)}, {"data": stack()})


def test_every_other_change_passes() -> None:
    before = stack(Vpc=VPC, Alarm=("AWS::CloudWatch::Alarm", {}))
    after = stack(Vpc=("AWS::EC2::VPC", VPC[1] | {"Tags": []}), New=TOPIC)
    protection.refuse({"net": before, "gone": stack(Topic=TOPIC)}, {"net": after, "new": stack()})


def allows(action: str, kind: str) -> bool:
    """Evaluate the policy as CloudFormation documents it."""
    effects = {
        statement["Effect"]
        for statement in POLICY["Statement"]
        if statement["Action"] in ("Update:*", action)
        and statement["Principal"] == statement["Resource"] == "*"
        and kind in statement.get("Condition", {}).get("StringEquals", {}).get("ResourceType", [kind])
    }
    return effects == {"Allow"}


def test_policy_of_a_stack_denies_what_is_refused_here() -> None:
    everything = STATEFUL | IRREPLACEABLE | {"AWS::ECS::Service"}
    assert {kind for kind in everything if not allows("Update:Replace", kind)} == STATEFUL | IRREPLACEABLE
    counted = {"AWS::EC2::EIP", "AWS::ElasticLoadBalancingV2::ListenerRule", "AWS::RDS::DBInstance"}
    assert {kind for kind in everything if not allows("Update:Delete", kind)} == (
        STATEFUL | IRREPLACEABLE
    ) - counted
    assert all(allows("Update:Modify", kind) for kind in everything)
    assert len(json.dumps(POLICY)) < 16_384  # SetStackPolicy takes no more


class Cloud(Environment):
    """An account in which every answer is prepared."""

    def require_own_account(self) -> None:
        """Take the credentials as they are."""

    def cloudformation_in(self, region: str) -> Any:  # noqa: ANN401, ARG002
        return CLIENT


CLIENT = boto3.client(
    "cloudformation", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
)


def test_stack_that_was_never_made_is_not_protected_and_the_others_are() -> None:
    settings = load_settings("sandbox", environ={})
    statuses = (
        "UPDATE_COMPLETE",
        "ROLLBACK_COMPLETE",
        None,
        "REVIEW_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
        None,
    )
    with Stubber(CLIENT) as stub:
        for layer, status in zip(
            ("state", "network", "data", "compute", "security", "observability"), statuses, strict=True
        ):
            asked = {"StackName": settings.stack_name(layer)}
            if status is None:
                message = f"Stack with id {asked['StackName']} does not exist"
                stub.add_client_error("describe_stacks", "ValidationError", message, expected_params=asked)
                continue
            found = {"StackName": asked["StackName"], "StackStatus": status, "CreationTime": 0}
            stub.add_response("describe_stacks", {"Stacks": [found]}, asked)
            if status == "UPDATE_COMPLETE":
                policy = asked | {"StackPolicyBody": json.dumps(POLICY)}
                stub.add_client_error("set_stack_policy", "ValidationError", "busy", expected_params=policy)
            elif status.startswith("UPDATE"):
                stub.add_response("set_stack_policy", {}, asked | {"StackPolicyBody": json.dumps(POLICY)})
        protection.after_deployment(Cloud(settings, boto3.Session(), None))
        stub.assert_no_pending_responses()


def test_caller_that_may_not_ask_gets_a_message_that_nothing_is_protected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Stubber(CLIENT) as stub:
        stub.add_client_error("describe_stacks", "AccessDenied", "not authorized to perform")
        protection.after_deployment(Cloud(load_settings("sandbox", environ={}), boto3.Session(), None))
    assert "The stacks are not protected by a stack policy" in capsys.readouterr().err


@pytest.mark.parametrize("lose", ["", "NetworkVpc"])
def test_assembly_is_compared_with_what_is_deployed_and_losses_are_let_go_by_name(
    tmp_path: Path, lose: str
) -> None:
    settings = load_settings("sandbox", environ={})
    after = assemblies.stack(assemblies.resource("AWS::EC2::VPC", "Network/Vpc", CidrBlock="10.1.0.0/16"))
    directory = assemblies.write(tmp_path, Network=after)
    manifest = directory / "manifest.json"
    manifest.write_text(manifest.read_text().replace("gantry-test-network", settings.stack_name("network")))
    templates = {"network": stack(NetworkVpc=VPC), "state": stack(Topic=TOPIC)}
    with Stubber(CLIENT) as stub:
        for compared in (True, False) if lose else (True,):
            for layer in LAYERS:
                asked = {"StackName": settings.stack_name(layer)}
                if layer not in templates:
                    stub.add_client_error("describe_stacks", "ValidationError", "Stack does not exist")
                    continue
                found = {"Stacks": [asked | {"StackStatus": "CREATE_COMPLETE", "CreationTime": 0}]}
                stub.add_response("describe_stacks", found, asked)
                if compared:
                    body = json.dumps(templates[layer])
                    stub.add_response("get_template", {"TemplateBody": body}, asked)
                elif layer == "network":  # it alone is opened
                    stub.add_response("set_stack_policy", {}, asked | {"StackPolicyBody": ANY})
        with nullcontext() if lose else pytest.raises(CliError, match="NetworkVpc would be replaced"):
            protection.before_deployment(
                Cloud(settings, boto3.Session(), None),
                read(directory, environment="sandbox"),
                lose={lose} - {""},
            )
        stub.assert_no_pending_responses()


def test_time_out_is_no_reason_to_deploy_what_was_not_compared(tmp_path: Path) -> None:
    assembly = read(assemblies.write(tmp_path), environment="sandbox")
    with Stubber(CLIENT) as stub:
        stub.add_client_error("describe_stacks", "Throttling", "Rate exceeded")
        with pytest.raises(ClientError, match="Rate exceeded"):
            protection.before_deployment(
                Cloud(load_settings("sandbox", environ={}), boto3.Session(), None), assembly, lose=set()
            )


def test_template_that_the_cli_wrote_as_yaml_is_read() -> None:
    settings = load_settings("sandbox", environ={})
    with Stubber(CLIENT) as stub:
        for layer in LAYERS:
            if layer != "network":
                stub.add_client_error("describe_stacks", "ValidationError", "Stack does not exist")
                continue
            asked = {"StackName": settings.stack_name(layer)}
            found = asked | {"StackStatus": "IMPORT_COMPLETE", "CreationTime": 0}
            stub.add_response("describe_stacks", {"Stacks": [found]}, asked)
            body = "Resources:\n  NetworkVpc:\n    Type: AWS::EC2::VPC\n"
            stub.add_response("get_template", {"TemplateBody": body}, asked)
        deployed = protection.deployed_templates(Cloud(settings, boto3.Session(), None))
    vpc = {"NetworkVpc": {"Type": "AWS::EC2::VPC"}}
    assert deployed == {settings.stack_name("network"): {"Resources": vpc}}


def test_credentials_of_another_account_compare_nothing_and_say_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    class Elsewhere(Environment):
        """An account of tools, from which the CDK's roles deploy."""

        def require_own_account(self) -> None:
            raise CliError("The credentials are of account 999999999999; sandbox is in 000000000000.")

    elsewhere = Elsewhere(load_settings("sandbox", environ={}), boto3.Session(), None)
    assembly = read(assemblies.write(tmp_path), environment="sandbox")
    protection.before_deployment(elsewhere, assembly, lose=set())
    protection.after_deployment(elsewhere)
    said = capsys.readouterr().err
    assert "not compared with what is deployed: The credentials are of account 999999999999" in said
    assert "not protected by a stack policy: The credentials are of account 999999999999" in said
