"""What each resource type is charged for."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops.cost import prices
from ops.cost.charges import CHARGES
from ops.cost.usage import Context, Unknown, Usage
from ops.cost.workload import IDLE, Workload
from tests.unit.ops.assemblies import assembly, resource, stack
from tests.unit.ops.cost.cases import (
    CASES,
    CLUSTER,
    LOADED,
    OPTIMISED,
    SCALING,
    SERVICE,
    TASK,
    WRITER,
    Body,
    Case,
    Quantities,
    cron,
    ref,
)


def quantities(directory: Path, bodies: list[Body], load: Workload) -> dict[str, Decimal]:
    """What the first resource uses of each price."""
    read = assembly(directory, S=stack(*bodies))
    first = next(iter(read.resources))
    found: dict[str, Decimal] = {}
    for usage in CHARGES[first.type](first, Context(read, load)):
        if isinstance(usage, Usage):
            found[usage.price] = found.get(usage.price, Decimal(0)) + usage.quantity
    return found


def approximately(expected: Quantities) -> Any:  # noqa: ANN401 - what pytest.approx returns
    return pytest.approx(
        {name: Decimal(str(value)) for name, value in expected.items()}, rel=Decimal("1e-12")
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_resource_uses(tmp_path: Path, case: Case) -> None:
    assert quantities(tmp_path, case.bodies, IDLE) == approximately(case.idle)
    assert quantities(tmp_path, case.bodies, LOADED) == approximately(case.loaded or case.idle)


def test_every_price_is_used_and_every_use_has_a_price() -> None:
    used = {price for case in CASES.values() for price in (*case.idle, *(case.loaded or ()))}
    assert used == prices.load().prices.keys()


def test_every_charged_type_is_tried_above() -> None:
    tried = {case.bodies[0]["Type"] for case in CASES.values()}
    assert CHARGES.keys() - tried == {
        "AWS::AccessAnalyzer::Analyzer",
        "AWS::ECS::Cluster",
    }


@pytest.mark.parametrize(
    ("expression", "kept"),
    [("0 5 * * ? *", 35), ("0 5 ? * SUN *", 5), ("0 5 1 * ? *", 35 / (365 / 12)), ("0 5 1 1 ? *", 1)],
    ids=["daily", "weekly", "monthly", "yearly"],
)
def test_rules_keep_as_many_backups_as_their_interval_and_retention_say(
    tmp_path: Path, expression: str, kept: float
) -> None:
    plan = resource("AWS::Backup::BackupPlan", "S/Plan", BackupPlan={"BackupPlanRule": [cron(expression)]})
    assert quantities(tmp_path, [plan], IDLE) == approximately({"aurora-backup-gb": Decimal(kept) * 10})


@pytest.mark.parametrize(
    ("tier", "acu"), [(0, 10), (1, 10), (2, 0.5)], ids=["writer", "reader like it", "reader for itself"]
)
def test_reader_grows_with_the_writer_if_its_priority_is_high(tmp_path: Path, tier: int, acu: float) -> None:
    reader = resource(
        "AWS::RDS::DBInstance",
        "S/Reader",
        DBInstanceClass="db.serverless",
        PromotionTier=tier,
        DBClusterIdentifier=ref("S/Cluster"),
    )
    found = quantities(tmp_path, [reader, CLUSTER], Workload(Decimal(1999)))
    assert found == approximately({"aurora-acu-hour": acu * 730})


@pytest.mark.parametrize(
    ("bodies", "said"),
    [
        ([SERVICE, TASK, SCALING], "10 tasks, though 20 are needed, vCPU"),
        ([WRITER, OPTIMISED], "4 ACU, though 5 are needed"),
    ],
    ids=["tasks", "database"],
)
def test_load_above_what_scaling_allows_is_named(tmp_path: Path, bodies: list[Body], said: str) -> None:
    read = assembly(tmp_path, S=stack(*bodies))
    first = next(iter(read.resources))
    assert said in [
        usage.what for usage in CHARGES[first.type](first, Context(read, Workload(Decimal(1000))))
    ]


@pytest.mark.parametrize(
    "bodies",
    [
        [resource("AWS::RDS::DBInstance", "S/I", DBInstanceClass="db.r6g.large")],
        [
            resource(
                "AWS::RDS::DBInstance",
                "S/I",
                DBInstanceClass="db.serverless",
                MonitoringInterval=60,
                DBClusterIdentifier=ref("S/Cluster"),
            ),
            CLUSTER,
        ],
        [resource("AWS::ElastiCache::ServerlessCache", "S/C", Engine="redis")],
        [resource("AWS::ElastiCache::ServerlessCache", "S/C", Engine="valkey", SnapshotRetentionLimit=7)],
        [resource("AWS::DynamoDB::Table", "S/T")],
        [resource("AWS::ElasticLoadBalancingV2::LoadBalancer", "S/L", Type="network")],
        [resource("AWS::StepFunctions::StateMachine", "S/M", StateMachineType="EXPRESS")],
        [
            resource(
                "AWS::ECS::Cluster",
                "S/C",
                ClusterSettings=[{"Name": "containerInsights", "Value": "enhanced"}],
            )
        ],
        [resource("AWS::ECS::Service", "S/S", TaskDefinition="elsewhere")],
        [resource("AWS::Synthetics::Canary", "S/C", Schedule={"Expression": "cron(0 * * * ? *)"})],
        [resource("AWS::CodePipeline::Pipeline", "S/P")],
        [resource("AWS::CodeBuild::Project", "S/B", Environment={"ComputeType": "BUILD_GENERAL1_2XLARGE"})],
        [resource("AWS::AccessAnalyzer::Analyzer", "S/A", Type="ACCOUNT_UNUSED_ACCESS")],
        [resource("AWS::CloudTrail::Trail", "S/T", EventSelectors=[{"DataResources": [{}]}])],
        [
            resource(
                "AWS::WAFv2::WebACL",
                "S/W",
                Rules=[
                    {"Statement": {"ManagedRuleGroupStatement": {"Name": "AWSManagedRulesBotControlRuleSet"}}}
                ],
            )
        ],
        [
            resource(
                "AWS::Backup::BackupPlan",
                "S/P",
                BackupPlan={"BackupPlanRule": [cron("0 5 * * ? *", Lifecycle={})]},
            )
        ],
    ],
    ids=lambda bodies: bodies[0]["Type"],
)
def test_what_has_no_price_is_said_and_not_counted_as_nothing(tmp_path: Path, bodies: list[Body]) -> None:
    read = assembly(tmp_path, S=stack(*bodies))
    first = next(iter(read.resources))
    usages = list(CHARGES[first.type](first, Context(read, IDLE)))
    assert any(isinstance(usage, Unknown) and usage.why for usage in usages)
