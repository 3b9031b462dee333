"""Regions that a platform can be in, and what CloudFormation does not have in some of them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

LACKING: Mapping[str, list[str]] = tomllib.loads(Path(__file__).with_name("regions.toml").read_text("utf-8"))
"""By region: resource types that settings can ask for and that CloudFormation does not have there."""


# How zone ids abbreviate a region, such as ap-southeast-2 in apse2-az1: "Availability Zones" (AWS Regions and
# Availability Zones).
_WORDS = {
    "north": "n", "south": "s", "east": "e", "west": "w", "central": "c",
    "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
}  # fmt: skip


def zone_id_prefix(region: str) -> str:
    """Return how the ids of a region's zones begin."""
    area, direction, number = region.split("-")
    return f"{area}{_WORDS[direction]}{number}-az"


def commercial_region(value: str) -> str:
    """Return a region; refuse one of another partition, and one that is not known.

    GovCloud, China and the European Sovereign Cloud have ARNs, accounts and a home region of their own
    ("Amazon Resource Names (ARNs)", AWS General Reference).
    """
    if value not in LACKING:
        raise ValueError(
            "must be a region of AWS's commercial partition, not of GovCloud, China or another one: "
            + ", ".join(LACKING)
        )
    return value
