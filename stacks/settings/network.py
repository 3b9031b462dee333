"""Settings of the VPC."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.settings.model import FIXED, Lasting, Problem, SettingsModel
from stacks.settings.values import REGION, vpc_range

_APPENDED = Lasting("After the first deployment only a third one can be added, at the end.")
_Zone = Annotated[str, Field(pattern=r"^([a-z]|[a-z]{3,5}\d-az\d{1,2})$", examples=["a", "use1-az1"])]

_Region = Annotated[str, Field(pattern=REGION, examples=["us-east-1"])]
_PrefixList = Annotated[str, Field(pattern=r"^pl-[0-9a-f]+$", examples=["pl-63a5400a"])]

# The APIs that tasks and functions call.
_Endpoint = Literal[
    "backup",
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "elasticache",
    "kms",
    "logs",
    "monitoring",
    "rds",
    "secretsmanager",
    "xray",
]


class NetworkSettings(SettingsModel):
    """The VPC and its zones."""

    cidr: Annotated[str, AfterValidator(vpc_range), FIXED] = Field(
        "10.0.0.0/16",
        pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$",
        description="Address range, from /16 to /23; each subnet has a sixteenth of it.",
        examples=["10.0.0.0/16"],
    )
    zones: Annotated[tuple[_Zone, ...], _APPENDED] = Field(
        ("a", "b", "c"),
        min_length=2,
        max_length=3,
        strict=False,
        description="Zones of the region, all by letter or all by id. In older accounts a letter is another "
        "place in each; an id, such as use1-az1, is the same place in all.",
    )
    nat_gateways: int = Field(1, ge=1, le=3, description="One a zone survives the loss of a zone.")
    interface_endpoints: tuple[_Endpoint, ...] = Field(
        (), strict=False, description="AWS APIs that are reached inside the VPC; each costs by zone and hour."
    )
    s3_prefix_lists: dict[_Region, _PrefixList] = Field(
        {},
        description="Lists of S3's addresses, by region: the one of the environment's region keeps functions "
        "off the internet, where interface endpoints serve all else that they call.",
    )

    def _problems(self) -> Iterator[Problem]:
        if len(set(self.zones)) < len(self.zones):
            yield Problem("zones", self.zones, "must differ from each other")
        if len({len(zone) == 1 for zone in self.zones}) > 1:
            allowed = "must be all letters or all ids: a letter may be the zone that an id names"
            yield Problem("zones", self.zones, allowed)
        if len(set(self.interface_endpoints)) < len(self.interface_endpoints):
            yield Problem("interface_endpoints", self.interface_endpoints, "must differ from each other")
        if self.s3_prefix_lists and not self.interface_endpoints:
            allowed = "must go while interface_endpoints is empty: it serves functions only with them"
            yield Problem("s3_prefix_lists", self.s3_prefix_lists, allowed)
        if self.nat_gateways > len(self.zones):
            yield Problem("nat_gateways", self.nat_gateways, f"must not exceed the {len(self.zones)} zones")
