"""What CloudFormation of the sandbox does beyond ministack's."""

import json

import pytest

from tests.integration.sandbox.emulator import Emulator, template, wait_until

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


def exporting(value: str) -> dict[str, object]:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": value}}
    exported = template({"Queue": queue}, Name={"Fn::GetAtt": ["Queue", "QueueName"]})
    exported["Outputs"]["Name"]["Export"] = {"Name": "queue-name"}
    return exported


def test_an_export_that_is_imported_cannot_change(emulator: Emulator) -> None:
    importing = template({"Topic": {"Type": "AWS::SNS::Topic"}}, Name={"Fn::ImportValue": "queue-name"})
    with emulator.deployed("exporter", exporting("one")) as outputs:
        with emulator.deployed("importer", importing):
            assert emulator.update("exporter", exporting("two")) == "UPDATE_ROLLBACK_COMPLETE"
            reason = "Cannot update export queue-name as it is in use by importer"
            assert reason in emulator.failures("exporter")
            assert emulator.outputs("exporter") == outputs
        assert emulator.update("exporter", exporting("two")) == "UPDATE_COMPLETE"


def test_an_output_of_another_region_is_found_there(emulator: Emulator) -> None:
    elsewhere = emulator.client("cloudformation", region="us-west-2")
    topic = template({"Topic": {"Type": "AWS::SNS::Topic"}}, Arn={"Ref": "Topic"})
    elsewhere.create_stack(StackName="far", TemplateBody=json.dumps(topic))
    wait_until(lambda: elsewhere.describe_stacks(StackName="far")["Stacks"][0].get("Outputs"))
    reference = {"StackName": "far", "Region": "us-west-2", "OutputName": "Arn"}
    near = template({"Topic": {"Type": "AWS::SNS::Topic"}}, Arn={"Fn::GetStackOutput": reference})
    with emulator.deployed("near", near) as outputs:
        assert outputs["Arn"].startswith("arn:aws:sns:us-west-2:")
    elsewhere.delete_stack(StackName="far")


def bucket(*, emptied: bool) -> dict[str, object]:
    tags = [{"Key": "aws-cdk:auto-delete-objects", "Value": "true"}]
    versioned = {"VersioningConfiguration": {"Status": "Enabled"}}
    resources: dict[str, object] = {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": versioned | ({"Tags": tags} if emptied else {})}
    }
    if emptied:
        emptying = {"ServiceToken": "arn", "BucketName": {"Ref": "Bucket"}}
        resources["Emptying"] = {"Type": "Custom::S3AutoDeleteObjects", "Properties": emptying}
    return template(resources, Name={"Ref": "Bucket"})


def test_a_bucket_goes_only_when_it_is_empty_or_the_cdk_empties_it(emulator: Emulator) -> None:
    s3 = emulator.client("s3")
    assert emulator.create("bucket", bucket(emptied=False)) == "CREATE_COMPLETE"
    name = emulator.outputs("bucket")["Name"]
    for version in ("first", "second"):
        s3.put_object(Bucket=name, Key="key", Body=version)
    s3.delete_object(Bucket=name, Key="key")
    emulator.client("cloudformation").delete_stack(StackName="bucket")
    assert emulator.stable_status("bucket") == "DELETE_FAILED"
    assert "is not empty" in emulator.failures("bucket")
    assert len(s3.list_object_versions(Bucket=name)["Versions"]) == 2
    with emulator.deployed("emptied", bucket(emptied=True)) as outputs:
        s3.put_object(Bucket=outputs["Name"], Key="key", Body="first")
        s3.delete_object(Bucket=outputs["Name"], Key="key")
    assert outputs["Name"] not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


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
