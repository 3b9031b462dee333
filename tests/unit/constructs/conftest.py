"""A stack with what most constructs want of others."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from gantry.monitoring.alarm import AlarmDefaults
from gantry.monitoring.log_groups import LogDefaults

ROOT = Path(__file__).parents[3]


class Parts:
    """What a construct is made with when it is made alone."""

    def __init__(self) -> None:
        place = Environment(account="111122223333", region="eu-west-1")
        flags = json.loads((ROOT / "cdk.json").read_text())["context"]
        app = App(context=flags, builtin_cloud_formation_validation=False)
        self.stack = Stack(app, "Test", env=place)
        self.key = kms.Key.from_key_arn(self.stack, "Key", "arn:aws:kms:eu-west-1:111122223333:key/k")
        self.log_defaults = LogDefaults(prefix="/t/", key=self.key, retention=logs.RetentionDays.ONE_WEEK)
        self.alarm_defaults = AlarmDefaults(prefix="t", topic=None, runbook="https://example.com/runbook")
        isolated, public = ("i-a", "i-b", "i-c"), ("p-a", "p-b", "p-c")
        self.vpc = ec2.Vpc.from_vpc_attributes(
            self.stack,
            "Vpc",
            vpc_id="vpc-1",
            availability_zones=["eu-west-1a", "eu-west-1b", "eu-west-1c"],
            isolated_subnet_ids=list(isolated),
            public_subnet_ids=list(public),
        )
        self.security_group = ec2.SecurityGroup.from_security_group_id(
            self.stack, "Group", "sg-1", mutable=False
        )

    def one(self, resource_type: str) -> dict[str, Any]:
        """Return the only resource of a type."""
        ((_, resource),) = Template.from_stack(self.stack).find_resources(resource_type).items()
        return dict(resource)


@pytest.fixture
def parts() -> Parts:
    return Parts()
