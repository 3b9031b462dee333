"""Settings of the way to the service: load balancer, domain name, Global Accelerator."""

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from stacks.settings.model import Problem, SettingsModel
from stacks.settings.values import HOST_NAME

_CERTIFICATE = re.compile(r"^arn:aws[a-z-]*:acm:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):certificate/.+$")
_LISTENER = re.compile(
    r"^arn:aws:globalaccelerator::(?P<account>\d{12}):accelerator/[0-9a-f-]+/listener/\w+$"
)


def _unnamed(pattern: re.Pattern[str]) -> str:
    """Return a pattern as JSON Schema knows it, without names of groups."""
    return re.sub(r"\?P<\w+>", "", pattern.pattern)


class LoadBalancerSettings(SettingsModel):
    """How the world reaches the service."""

    certificate_arn: str | None = Field(
        None,
        pattern=_unnamed(_CERTIFICATE),
        description="Certificate that turns HTTPS on; with domain.name one is made unless this names one.",
        examples=["arn:aws:acm:us-east-1:123456789012:certificate/…"],
    )
    allow_http: bool = Field(False, description="Serve without HTTPS; never in prod.")
    access_logs: bool = Field(
        True, description="Whether every request is logged to the delivery bucket, under alb/."
    )
    deletion_protection: bool = Field(
        False,
        description=(
            "Whether deleting the load balancer must be allowed first, not only deleting its stack; it then "
            "outlives its stack."
        ),
    )

    def certificate_place(self) -> tuple[str, str] | None:
        """Return region and account of the certificate."""
        found = _CERTIFICATE.match(self.certificate_arn or "")
        return (found["region"], found["account"]) if found else None


class DomainSettings(SettingsModel):
    """The service's name in a public hosted zone of Route 53 that is there already."""

    name: str | None = Field(
        None,
        pattern=HOST_NAME,
        max_length=253,
        description="Name of the service; turns HTTPS on.",
        examples=["tasks.example.com"],
    )
    hosted_zone_id: str | None = Field(
        None, pattern=r"^Z[A-Z0-9]{1,31}$", description="Id of the zone.", examples=["Z0123456789ABCDEFGHIJ"]
    )
    hosted_zone_name: str | None = Field(
        None,
        pattern=HOST_NAME,
        max_length=253,
        description="Name of the zone.",
        examples=["example.com"],
    )
    record: bool = Field(
        True,
        description="Whether the name's alias record is made here; false for a standby: prod has it.",
    )

    @property
    def resolves_here(self) -> bool:
        """Whether there is a name and its record is of this environment."""
        return self.name is not None and self.record

    def _problems(self) -> Iterator[Problem]:
        zone = {"hosted_zone_id": self.hosted_zone_id, "hosted_zone_name": self.hosted_zone_name}
        for key, value in zone.items():
            if self.name is not None and value is None:
                yield Problem(key, None, "is needed by name")
            if self.name is None and value is not None:
                yield Problem(key, value, "means nothing without name")
        if self.name is None and not self.record:
            yield Problem("record", False, "means nothing without name")
        if self.name and self.hosted_zone_name and not f".{self.name}".endswith(f".{self.hosted_zone_name}"):
            yield Problem("name", self.name, f"must be in hosted_zone_name ({self.hosted_zone_name})")


class AcceleratorSettings(SettingsModel):
    """AWS Global Accelerator: two fixed addresses that route to the nearest healthy region."""

    mode: Literal["off", "create", "existing"] = Field(
        "off", description="existing adds this region to the accelerator of another environment."
    )
    listener_arn: str | None = Field(
        None,
        pattern=_unnamed(_LISTENER),
        description="Listener of the existing accelerator: output AcceleratorListenerArn of its environment.",
        examples=["arn:aws:globalaccelerator::123456789012:accelerator/…/listener/…"],
    )
    traffic_dial_percent: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Share of its traffic that this region takes; at 0 none, not even in a failover. "
        "By default 100 with create and 0 with existing.",
    )

    @property
    def traffic_dial(self) -> int:
        """The share of its traffic that this region takes."""
        if self.traffic_dial_percent is not None:
            return self.traffic_dial_percent
        return 0 if self.mode == "existing" else 100

    def listener_account(self) -> str | None:
        """Return the account of the existing listener."""
        found = _LISTENER.match(self.listener_arn or "")
        return found["account"] if found else None

    def _problems(self) -> Iterator[Problem]:
        if self.mode == "existing" and self.listener_arn is None:
            yield Problem("listener_arn", None, 'is needed by mode = "existing"')
        if self.mode != "existing" and self.listener_arn is not None:
            yield Problem("listener_arn", self.listener_arn, 'needs mode = "existing"')
        if self.mode == "off" and self.traffic_dial_percent is not None:
            yield Problem("traffic_dial_percent", self.traffic_dial_percent, 'must go with mode = "off"')
