"""What CloudFormation of the sandbox does beyond ministack's."""

import json

import pytest

from tests.integration.sandbox.emulator import Emulator, template

EIP = {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}}


def test_a_recorded_type_has_its_ref_and_attributes(emulator: Emulator) -> None:
    resources = {
        "Address": EIP,
        "Gateway": {
            "Type": "AWS::EC2::NatGateway",
            "Properties": {
                "SubnetId": "subnet-1", "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
            },
        },
    }  # fmt: skip
    outputs = {
        "Address": {"Ref": "Address"},
        "Allocation": {"Fn::GetAtt": ["Address", "AllocationId"]},
        "Gateway": {"Ref": "Gateway"},
    }
    with emulator.deployed("recorded", template(resources, **outputs)) as values:
        assert values["Address"] == "192.0.2.1"
        assert values["Allocation"].startswith("eipalloc-")
        assert values["Gateway"].startswith("nat-")


def test_a_recorded_type_keeps_its_identity_on_update_and_loses_it_on_replacement(emulator: Emulator) -> None:
    def gateway(subnet: str, tag: str) -> dict[str, object]:
        properties = {"SubnetId": subnet, "Tags": [{"Key": "Name", "Value": tag}]}
        resource = {"Type": "AWS::EC2::NatGateway", "Properties": properties}
        return template({"Gateway": resource}, Id={"Fn::GetAtt": ["Gateway", "NatGatewayId"]})

    with emulator.deployed("identity", gateway("subnet-1", "a")) as outputs:
        assert emulator.update("identity", gateway("subnet-1", "b")) == "UPDATE_COMPLETE"
        assert emulator.outputs("identity") == outputs
        assert emulator.update("identity", gateway("subnet-2", "b")) == "UPDATE_COMPLETE"
        assert emulator.outputs("identity") != outputs


def test_an_unknown_type_stops_the_stack_and_is_named(emulator: Emulator) -> None:
    cloudformation = emulator.client("cloudformation")
    unknown = template({"Fleet": {"Type": "AWS::GameLift::Fleet", "Properties": {}}})
    with pytest.raises(cloudformation.exceptions.ClientError, match="AWS::GameLift::Fleet"):
        emulator.create("unknown", unknown)


def test_a_failing_function_fails_its_custom_resource_at_once_with_the_reason(emulator: Emulator) -> None:
    function = emulator.function("raises", "def handler(event, context): raise ValueError('no such thing')")
    resource = {"Type": "Custom::Thing", "Properties": {"ServiceToken": function}}
    assert emulator.create("raising", template({"Thing": resource})) == "ROLLBACK_COMPLETE"
    assert "no such thing" in emulator.failures("raising")
    emulator.delete("raising")


def test_a_function_may_do_what_its_role_allows_and_nothing_else(emulator: Emulator) -> None:
    secrets = emulator.client("secretsmanager")
    arns = [secrets.create_secret(Name=name, SecretString=name)["ARN"] for name in ("allowed", "forbidden")]
    allowed = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": arns[0]}
    function = emulator.function(
        "reader",
        "import boto3\ndef handler(event, context):\n"
        "    return boto3.client('secretsmanager').get_secret_value(SecretId=event)['SecretString']",
        role=emulator.role("reader", {"Statement": [allowed]}),
    )
    answers = [
        emulator.client("lambda").invoke(FunctionName=function, Payload=json.dumps(arn)) for arn in arns
    ]
    assert json.load(answers[0]["Payload"]) == "allowed"
    assert "AccessDenied" in json.load(answers[1]["Payload"])["errorMessage"]


@pytest.mark.parametrize(
    ("call", "action", "resource"),
    [
        ("ecs.describe_services(cluster='c', services=['s'])", "ecs:DescribeServices", "ecs::service/c/s"),
        ("ecs.describe_tasks(cluster='c', tasks=['t'])", "ecs:DescribeTasks", "ecs::task/c/t"),
        ("elasticache.describe_users(UserId='u')", "elasticache:DescribeUsers", "elasticache::user:u"),
    ],
)
def test_a_permission_is_one_for_a_single_resource(
    emulator: Emulator, call: str, action: str, resource: str
) -> None:
    service, _, _ = call.partition(".")
    source = (
        f"import boto3\ndef handler(event, context):\n    {service} = boto3.client('{service}')\n    {call}"
    )
    arn = "arn:aws:" + resource.replace("::", ":us-east-1:000000000000:")
    for number, (target, denied) in enumerate([(arn, False), (arn + "x", True)]):
        statement = {"Effect": "Allow", "Action": action, "Resource": target}
        role = emulator.role(f"{service}-{number}", {"Statement": [statement]})
        function = emulator.function(f"{service}-{number}", source, role=role)
        answer = emulator.client("lambda").invoke(FunctionName=function)
        assert ("AccessDenied" in answer["Payload"].read().decode()) == denied


def test_a_function_sees_the_endpoint_and_what_it_shall_trust(emulator: Emulator) -> None:
    source = "import os\ndef handler(event, context): return {name: os.environ.get(name) for name in event}"
    function = emulator.function("environment", source)
    names = ["AWS_ENDPOINT_URL", "PGSSLROOTCERT", "SSL_CERT_FILE", "AWS_REGION"]
    answer = emulator.client("lambda").invoke(FunctionName=function, Payload=json.dumps(names))
    variables = json.load(answer["Payload"])
    assert variables["AWS_ENDPOINT_URL"] == emulator.sandbox.status().endpoint_url
    assert (
        variables["PGSSLROOTCERT"] == variables["SSL_CERT_FILE"] == str(emulator.state_dir / "tls" / "ca.pem")
    )
    assert variables["AWS_REGION"] == "us-east-1"
