"""What is found before a deployment, of an assembly and an account whose answers are written down."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops import preflight
from ops.assembly import Assembly, read
from ops.checks import running
from ops.checks.context import Deployment
from ops.checks.pre_deploy import PRE_DEPLOY, changes, https
from ops.checks.pre_deploy.https import covers
from ops.checks.pre_deploy.name_servers import _name, _servers
from ops.checks.results import Outcome, Result, failed, overall
from ops.console import CliError
from tests.unit.ops import assemblies
from tests.unit.ops.assemblies import resource
from tests.unit.ops.checks.account import ACCOUNT, CALLER, NOW, Account, Answer, stacks

IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/gantry/prod:v1"
ZONE = {
    "domain__name": "tasks.gantry.dev",
    "domain__hosted_zone_id": "Z1ABC",
    "domain__hosted_zone_name": "gantry.dev",
}
RUNTIME = "syn-python-selenium-14.0"
SERVERS = ["ns-1.awsdns-01.org", "ns-2.awsdns-02.com"]
KEY = resource("AWS::KMS::Key", "State/Key")
VPC = resource("AWS::EC2::VPC", "Network/Vpc", CidrBlock="10.0.0.0/16")
NETWORK = [VPC, *(resource("AWS::EC2::EIP", f"Network/Address{n}") for n in "123"),
           *(resource("AWS::EC2::NatGateway", f"Network/Gateway{n}") for n in "123")]  # fmt: skip
DATA = [
    resource("AWS::RDS::DBCluster", "Data/Cluster", DBClusterIdentifier="gantry-prod",
             Engine="aurora-postgresql", EngineVersion="17.9"),
    resource("AWS::RDS::DBInstance", "Data/Writer", DBInstanceClass="db.serverless"),
    resource("AWS::ElastiCache::ServerlessCache", "Data/Cache", Engine="valkey", MajorEngineVersion="8"),
    resource("AWS::SecretsManager::Secret", "Data/Secret", Name="gantry/prod/database"),
]  # fmt: skip
SERVICE = [
    resource("AWS::ElasticLoadBalancingV2::LoadBalancer", "Compute/Balancer"),
    resource("AWS::Lambda::Function", "Compute/Function", Runtime="python3.14"),
    resource("AWS::Synthetics::Canary", "Compute/Canary", RuntimeVersion=RUNTIME),
]
STACKS = {"State": [KEY], "Network": NETWORK, "Data": DATA, "Compute": SERVICE}


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    """Production, smaller, with the names of its stacks."""
    return assembled(tmp_path, STACKS)


def assembled(folder: Path, content: Mapping[str, list[dict[str, Any]]]) -> Assembly:
    assemblies.write(folder, **{name: assemblies.stack(*each) for name, each in content.items()})
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    for artifact in manifest["artifacts"].values():
        properties = artifact["properties"]
        if "stackName" in properties:
            properties["stackName"] = properties["stackName"].replace("-test-", "-prod-")
            properties["requiresBootstrapStackVersion"] = 6
            properties["bootstrapStackVersionSsmParameter"] = "/cdk-bootstrap/x/version"
    file.write_text(json.dumps(manifest))
    return read(folder, environment="prod")


def quotas(**values: float) -> Callable[[Mapping[str, Any]], Answer]:
    """Return an answer to GetServiceQuota: large, but for these codes."""
    return lambda given: {"Quota": {"Value": values.get(given["QuotaCode"].replace("-", "_"), 100.0)}}


def orderable(*letters: str) -> Answer:
    zones = [{"Name": f"us-east-1{letter}"} for letter in letters]
    return {"OrderableDBInstanceOptions": [{"AvailabilityZones": zones}]}


def zones(**ids: str) -> Answer:
    return {
        "AvailabilityZones": [
            {"ZoneName": f"us-east-1{letter}", "ZoneId": f"use1-{identity}", "State": "available"}
            for letter, identity in ids.items()
        ]
    }


def certificate(**changed: object) -> Answer:
    found = {"Status": "ISSUED", "DomainName": "*.gantry.dev", "NotAfter": NOW + timedelta(days=90)}
    return {"Certificate": found | changed}


def manifest(*architectures: str) -> Answer:
    listed = [{"platform": {"architecture": each}} for each in architectures]
    return {"images": [{"imageManifest": json.dumps({"manifests": listed})}]}


def no_stack(given: Mapping[str, Any]) -> str:
    return f"ValidationError: Stack with id {given['StackName']} does not exist"


NOT_FOUND = {
    "rds.DescribeDBClusters": lambda given: (
        "DBClusterNotFoundFault" if "DBClusterIdentifier" in given else {"DBClusters": []}
    ),
    "elasticache.DescribeServerlessCaches": "ServerlessCacheNotFoundFault",
    "secretsmanager.DescribeSecret": "ResourceNotFoundException",
}
WELL: dict[str, Answer] = CALLER | NOT_FOUND | {
    "acm.DescribeCertificate": certificate(),
    "backup.DescribeRegionSettings": {"ResourceTypeOptInPreference": {"Aurora": True}},
    "cloudformation.DescribeStacks": no_stack,
    "ec2.DescribeAddresses": {"Addresses": []},
    "ec2.DescribeAvailabilityZones": zones(a="az1", b="az2", c="az4"),
    "ec2.DescribeNatGateways": {"NatGateways": []},
    "ec2.DescribeRegions": {
        "Regions": [{"RegionName": f"us-{each}", "OptInStatus": "opted-in"} for each in ("east-1", "west-2")]
    },
    "ec2.DescribeVpcs": {"Vpcs": [{}]},
    "ecr.BatchGetImage": manifest("arm64", "amd64"),
    "elasticache.DescribeCacheEngineVersions": {"CacheEngineVersions": [{"EngineVersion": "8.1"}]},
    "elbv2.DescribeLoadBalancers": {"LoadBalancers": [{"Type": "application"}, {"Type": "network"}]},
    "rds.DescribeDBEngineVersions": {"DBEngineVersions": [{"EngineVersion": "17.10"}]},
    "rds.DescribeDBInstances": {"DBInstances": []},
    "rds.DescribeOrderableDBInstanceOptions": orderable("a", "b", "c"),
    "route53.GetHostedZone": {
        "HostedZone": {"Name": "gantry.dev.", "Config": {"PrivateZone": False}},
        "DelegationSet": {"NameServers": SERVERS},
    },
    "service-quotas.GetServiceQuota": quotas(),
    "ssm.GetParameter": {"Parameter": {"Value": "33"}},
    "synthetics.DescribeRuntimeVersions": {"RuntimeVersions": [{"VersionName": RUNTIME}]},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked but the account."""
    monkeypatch.setattr(changes, "assess", lambda *_, **__: SimpleNamespace(failed=[]))
    monkeypatch.setattr(https, "name_servers", lambda _: frozenset(SERVERS))


@pytest.fixture
def found(assembly: Assembly) -> Callable[..., dict[str, Result]]:
    def check(answers: Mapping[str, Answer] | None = None, **settings: object) -> dict[str, Result]:
        own = ZONE | {"container_image": IMAGE} | settings
        context = Account(WELL | dict(answers or {})).context("prod", **own)
        deployment = Deployment(context.environment, NOW, assembly=assembly)
        return {each.name: each for line in running.run(PRE_DEPLOY, deployment) for each in line.results}

    return check


Found = Callable[..., dict[str, Result]]


def test_account_that_is_ready_passes_every_check(found: Found) -> None:
    results = found()
    assert {name: str(each) for name, each in results.items() if each.outcome is not Outcome.OK} == {}
    assert len(results) == 27


@pytest.mark.parametrize(
    ("name", "operation", "answer", "said"),
    [
        ("regions", "ec2.DescribeRegions",
         {"Regions": [{"RegionName": "us-east-1", "OptInStatus": "opted-in"},
                      {"RegionName": "us-west-2", "OptInStatus": "not-opted-in"}]},
         "us-west-2 is not-opted-in"),
        ("bootstrap us-east-1", "ssm.GetParameter", "ParameterNotFound", "us-east-1 is not bootstrapped"),
        ("bootstrap us-east-1", "ssm.GetParameter", {"Parameter": {"Value": "5"}}, "version 5; 6 is needed"),
        ("names", "secretsmanager.DescribeSecret", {"CreatedDate": NOW, "DeletedDate": NOW},
         "gantry/prod/database (AWS::SecretsManager::Secret, scheduled for deletion)"),
        ("names", "rds.DescribeDBClusters",
         lambda given: {"DBClusters": [{"ClusterCreateTime": NOW}] if given else []},
         "gantry-prod (AWS::RDS::DBCluster)"),
        ("VPCs", "service-quotas.GetServiceQuota", quotas(L_F678F1CE=1),
         "1 of 1 are in use, and the deployment would make 1"),
        ("elastic IP addresses", "service-quotas.GetServiceQuota", quotas(L_0263D0A3=2), "0 of 2 are in use"),
        ("NAT gateways a zone", "service-quotas.GetServiceQuota", quotas(L_FE5A380F=0), "make 1"),
        ("load balancers", "service-quotas.GetServiceQuota", quotas(L_53DA6B97=1), "1 of 1"),
        ("Fargate vCPU", "service-quotas.GetServiceQuota", quotas(L_3032A538=6),
         "The quota is 6 vCPU; 24 are needed"),
        ("zones", "ec2.DescribeAvailabilityZones", zones(a="az1", b="az2", d="az5"),
         "us-east-1c, which this account"),
        ("database version", "rds.DescribeOrderableDBInstanceOptions", orderable("a"),
         "not offered in us-east-1b, us-east-1c"),
        ("cache version", "elasticache.DescribeCacheEngineVersions",
         {"CacheEngineVersions": [{"EngineVersion": "7.2"}]}, "valkey 8 is asked for; offered: 7.2"),
        ("canary runtime", "synthetics.DescribeRuntimeVersions",
         {"RuntimeVersions": [{"VersionName": RUNTIME, "DeprecationDate": NOW - timedelta(days=1)}]},
         "deprecated since 2026-11-26"),
        ("certificate", "acm.DescribeCertificate", certificate(Status="PENDING_VALIDATION"),
         "is PENDING_VALIDATION"),
        ("certificate", "acm.DescribeCertificate", certificate(NotAfter=NOW), "until 2026-11-27"),
        ("certificate", "acm.DescribeCertificate", certificate(DomainName="gantry.dev"),
         "None of these is tasks"),
        ("hosted zone", "route53.GetHostedZone",
         {"HostedZone": {"Name": "gantry.dev.", "Config": {"PrivateZone": True}}},
         "private"),
        ("hosted zone", "route53.GetHostedZone",
         {"HostedZone": {"Name": "other.dev."}}, "Z1ABC is other.dev."),
        ("image", "ecr.BatchGetImage", {"images": []}, f"There is no {IMAGE}"),
        ("image", "ecr.BatchGetImage", manifest("amd64"), "for amd64; the tasks need arm64"),
    ],
)  # fmt: skip
def test_what_the_account_would_refuse_fails_alone_and_names_the_value(
    found: Found, name: str, operation: str, answer: Answer, said: str
) -> None:
    results = found({operation: answer})
    assert {each for each, result in results.items() if result.outcome is not Outcome.OK} == {name}
    assert results[name].outcome is Outcome.FAILED
    assert said in results[name].evidence
    assert results[name].remedy


def test_default_quota_holds_where_no_one_has_changed_it(found: Found) -> None:
    answers = {
        "service-quotas.GetServiceQuota": "NoSuchResourceException",
        "service-quotas.GetAWSDefaultServiceQuota": quotas(L_3032A538=6),
    }
    assert "The quota is 6 vCPU" in found(answers)["Fargate vCPU"].evidence


def test_spot_has_a_quota_of_its_own(found: Found) -> None:
    results = found(ecs__spot_percent=50)
    # Half of those above three run on Spot, of twelve.
    assert "15 are needed" in results["Fargate vCPU"].evidence
    assert "9 are needed" in results["Fargate Spot vCPU"].evidence


def test_gateways_are_counted_in_the_zone_that_has_the_most(found: Found) -> None:
    answers = {
        "ec2.DescribeNatGateways": {"NatGateways": [{"SubnetId": each} for each in ("s1", "s2", "s2")]},
        "ec2.DescribeSubnets": {
            "Subnets": [
                {"SubnetId": "s1", "AvailabilityZone": "us-east-1a"},
                {"SubnetId": "s2", "AvailabilityZone": "us-east-1b"},
            ]
        },
    }
    assert found(answers)["NAT gateways a zone"].evidence.startswith("2 of 100")


@pytest.mark.parametrize(("state", "outcome"), [(False, Outcome.FAILED), (None, Outcome.UNKNOWN)])
def test_backup_that_is_not_opted_in_backs_up_nothing(
    found: Found, state: bool | None, outcome: Outcome
) -> None:
    chosen = {} if state is None else {"Aurora": state}
    results = found({"backup.DescribeRegionSettings": {"ResourceTypeOptInPreference": chosen}})
    assert {results[f"backup {region}"].outcome for region in ("us-east-1", "us-west-2")} == {outcome}
    assert not any(name.startswith("backup") for name in found(backup__enabled=False))


def test_zone_without_the_database_proxy_fails_where_there_is_one(found: Found) -> None:
    answers = {"ec2.DescribeAvailabilityZones": zones(a="az1", b="az2", c="az3")}
    assert found(answers)["zones"].outcome is Outcome.OK
    assert "us-east-1c (use1-az3)" in found(answers, aurora__proxy=True)["zones"].evidence


def test_zone_that_the_registrar_does_not_name_is_never_validated(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(https, "name_servers", lambda _: frozenset({"ns.other.net"}))
    assert "ns.other.net serves gantry.dev" in found()["hosted zone"].evidence
    assert found()["hosted zone"].outcome is Outcome.FAILED


def test_without_https_no_certificate_is_asked_for(found: Found) -> None:
    results = found(domain__name=None, domain__hosted_zone_id=None, domain__hosted_zone_name=None)
    assert "hosted zone" not in results
    assert results["certificate"].outcome is Outcome.OK


def test_image_of_one_architecture_has_it_in_its_configuration(found: Found, tmp_path: Path) -> None:
    layer = tmp_path / "config.json"
    layer.write_text('{"architecture": "amd64"}')
    single = {"images": [{"imageManifest": json.dumps({"config": {"digest": "sha256:1"}})}]}
    results = found(
        {"ecr.BatchGetImage": single, "ecr.GetDownloadUrlForLayer": {"downloadUrl": layer.as_uri()}}
    )
    assert "for amd64; the tasks need arm64" in results["image"].evidence
    layer.unlink()
    gone = found({"ecr.BatchGetImage": single, "ecr.GetDownloadUrlForLayer": {"downloadUrl": layer.as_uri()}})
    assert gone["image"].outcome is Outcome.UNKNOWN


def test_image_of_another_registry_is_unknown(found: Found) -> None:
    assert found(container_image="ghcr.io/team/app:1")["image"].outcome is Outcome.UNKNOWN


def test_image_that_is_built_needs_an_engine(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(architecture: str) -> None:
        raise CliError(f"cannot build for {architecture}", remedy="Install one.")

    monkeypatch.setattr(preflight, "check_engine", refuse)
    results = found(container_image=None)
    assert results["image build"] == failed("image build", "cannot build for arm64", "Install one.")
    assert "image" not in results


def deployed(status: str = "UPDATE_COMPLETE", /, **templates: list[dict[str, Any]]) -> dict[str, Answer]:
    """Return the answers of an account in which some stacks are deployed."""
    names = {f"gantry-prod-{layer.lower()}": content for layer, content in templates.items()}
    outputs = {
        "data": {"DatabaseSecretArn": "arn", "ValkeySecretArn": "arn"},
        "compute": {"SigningKeySecretArn": "arn"},
    }

    def describe(given: Mapping[str, Any]) -> Answer:
        if given["StackName"] not in names:
            return no_stack(given)
        answer = stacks(**outputs)(given)
        answer["Stacks"][0]["StackStatus"] = status
        return answer

    def template(given: Mapping[str, Any]) -> Answer:
        return {"TemplateBody": json.dumps(assemblies.stack(*names[given["StackName"]])["template"])}

    def listed(given: Mapping[str, Any]) -> Answer:
        return {
            "StackResourceSummaries": [
                {"ResourceType": each["Type"], "LogicalResourceId": "Key", "PhysicalResourceId": "1234"}
                for each in names[given["StackName"]]
            ]
        }

    return {
        "cloudformation.DescribeStacks": describe,
        "cloudformation.GetTemplate": template,
        "cloudformation.ListStackResources": listed,
        "kms.DescribeKey": {"KeyMetadata": {"KeyState": "Enabled", "CreationDate": NOW}},
        "secretsmanager.DescribeSecret": {"VersionIdsToStages": {"1": ["AWSCURRENT"]}, "CreatedDate": NOW},
    }


def test_what_is_deployed_already_takes_no_quota_and_no_name(found: Found) -> None:
    results = found(deployed(**STACKS) | {"service-quotas.GetServiceQuota": quotas(L_F678F1CE=0)})
    assert {name: str(each) for name, each in results.items() if each.outcome is not Outcome.OK} == {}
    assert results["VPCs"].evidence == "The deployment would make none."
    assert results["names"].evidence == "The deployment would take no name."
    assert results["differences"].evidence.startswith("No stack differs.")
    assert results["secrets"].evidence == "database, valkey, signing-key exist."


def test_changes_are_counted_and_replacements_refused(found: Found) -> None:
    moved = [resource("AWS::EC2::VPC", "Network/Vpc", CidrBlock="10.9.0.0/16"), *NETWORK[1:3]]
    result = found(deployed(Network=moved))["differences"]
    assert result.outcome is Outcome.FAILED
    assert "NetworkVpc would be replaced: CidrBlock cannot change (network.cidr)" in result.evidence
    fewer = found(deployed(Network=NETWORK[:3]))["differences"]
    assert "gantry-prod-network: 4 added" in fewer.evidence
    assert "gantry-prod-data: 4 added" in fewer.evidence


def test_change_of_outputs_is_a_difference(found: Found) -> None:
    answers = deployed(**STACKS)
    whole = answers["cloudformation.GetTemplate"]

    def template(given: Mapping[str, Any]) -> Answer:
        body = json.loads(whole(given)["TemplateBody"])
        return {"TemplateBody": json.dumps(body | {"Outputs": {"Old": {"Value": 1}}})}

    result = found(answers | {"cloudformation.GetTemplate": template})["differences"]
    assert "gantry-prod-state: outputs alone" in result.evidence


@pytest.mark.parametrize(
    ("name", "answers", "said"),
    [
        ("stacks", deployed("UPDATE_IN_PROGRESS", **STACKS), "gantry-prod-data is UPDATE_IN_PROGRESS"),
        ("stacks", deployed("UPDATE_ROLLBACK_FAILED", **STACKS), "is UPDATE_ROLLBACK_FAILED"),
        (
            "keys",
            deployed(**STACKS) | {"kms.DescribeKey": {"KeyMetadata": {"KeyState": "PendingDeletion"}}},
            "Key 1234 is PendingDeletion",
        ),
        (
            "secrets",
            deployed(**STACKS) | {"secretsmanager.DescribeSecret": {"DeletedDate": NOW}},
            "database is scheduled for deletion",
        ),
        (
            "secrets",
            deployed(**STACKS) | {"secretsmanager.DescribeSecret": {"VersionIdsToStages": {}}},
            "database has no value",
        ),
    ],
)
def test_what_is_deployed_and_cannot_go_on_fails(
    found: Found, name: str, answers: dict[str, Answer], said: str
) -> None:
    result = found(answers)[name]
    assert (result.outcome, said in result.evidence) == (Outcome.FAILED, True), result


def test_failed_first_creation_is_cleaned_up_first(found: Found) -> None:
    result = found(deployed("ROLLBACK_COMPLETE", Data=DATA))["stacks"]
    assert (result.outcome, "./gantry clean-up -e prod" in result.remedy) == (Outcome.FAILED, True)


def test_placeholders_and_findings_are_found_without_an_account(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = SimpleNamespace(id="HIPAA.Security-RDSInBackupPlan")
    monkeypatch.setattr(changes, "assess", lambda *_, **__: SimpleNamespace(failed=[rule, rule]))
    results = found({"sts.GetCallerIdentity": "ExpiredToken"}, alerts__emails=["ada@example.com"])
    assert "alerts.emails" in results["settings"].evidence
    assert results["security scans"].evidence == "2 findings: RDSInBackupPlan."
    assert results["function runtimes"].outcome is Outcome.OK
    assert results["names"].evidence == "Not asked, because of the credentials above."


@pytest.mark.parametrize(
    "code", ["AccessDenied", "Throttling", "ExpiredToken", "AuthFailure", "InternalFailure"]
)
def test_account_that_answers_nothing_is_all_unknown(assembly: Assembly, code: str) -> None:
    class Silent(dict[str, Answer]):
        def get(self, name: str, _: Answer = None) -> Answer:
            return CALLER.get(name, code)

    context = Account(Silent()).context("prod", **ZONE, container_image=IMAGE)
    deployment = Deployment(context.environment, NOW, assembly=assembly)
    results = [each for line in running.run(PRE_DEPLOY, deployment) for each in line.results]
    assert {each.name for each in results if each.outcome is Outcome.OK} == {
        "credentials", "settings", "security scans", "function runtimes", "subscriptions"
    }  # fmt: skip
    assert overall(results) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("names", "name", "covered"),
    [
        (["tasks.gantry.dev"], "tasks.gantry.dev", True),
        (["*.gantry.dev"], "Tasks.gantry.dev", True),
        (["*.gantry.dev"], "a.tasks.gantry.dev", False),
        (["*.gantry.dev"], "gantry.dev", False),
    ],
)
def test_wildcard_covers_one_label(names: list[str], name: str, *, covered: bool) -> None:
    assert covers(names, name) is covered


def test_answer_of_a_resolver_is_read_with_its_pointers() -> None:
    question = b"\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00" + _name("gantry.dev") + b"\x00\x02\x00\x01"
    record = b"\xc0\x0c\x00\x02\x00\x01\x00\x00\x0e\x10"
    whole, pointed = _name("NS-1.awsdns.org"), b"\x04ns-2\xc0" + bytes([len(question) + 12 + 5])
    answer = question + record + bytes([0, len(whole)]) + whole + record + bytes([0, len(pointed)]) + pointed
    assert _servers(answer, len(question)) == {"ns-1.awsdns.org", "ns-2.awsdns.org"}
    for broken in (answer[:-3], question + b"\xc0" + bytes([len(question)]) * 12):
        with pytest.raises(CliError, match="cannot be read"):
            _servers(broken, len(question))
