"""Rules of cdk-nag that no resource is held to, because the CDK or AWS itself contradicts them.

Everything else is acknowledged next to its resource. What applies to one resource alone is there too, even
where AWS leaves no choice: an exemption would hide the next resource that merely forgot it.
"""

from dataclasses import dataclass

from aws_cdk import App

from gantry.nag import HIPAA, NIST, PCI, acknowledge, shared


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """A rule of some packs, why it cannot be followed, and the compensating control."""

    rule: str
    packs: tuple[str, ...]
    reason: str
    compensating_control: str


EXEMPTIONS = (
    Exemption(
        rule="IAMNoInlinePolicy",
        packs=(NIST, HIPAA, PCI),
        reason="The CDK writes what it grants to a role into a policy of that role alone.",
        compensating_control=(
            "Each role belongs to one resource, and its policy goes with it; every action is named and every "
            "wildcard acknowledged; there are no users and no groups."
        ),
    ),
    Exemption(
        rule="VPCNoUnrestrictedRouteToIGW",
        packs=(NIST, HIPAA, PCI),
        reason="A subnet is public by its route to the internet gateway; load balancer and NAT need one.",
        compensating_control=(
            "Only they are in public subnets. Tasks and functions are in private ones, without public "
            "addresses; database and cache are in subnets that have no route out."
        ),
    ),
    Exemption(
        rule="LambdaConcurrency",
        packs=(NIST, HIPAA),
        reason=(
            "Reserving concurrency fails in a new account, of whose limit ten must stay unreserved: "
            "https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"
        ),
        compensating_control=(
            "No function is open to the public: AWS services invoke them, every few minutes at most, and "
            "rotations exclude each other by version token and advisory lock."
        ),
    ),
)


def exempt(app: App) -> None:
    """Apply the exemptions to everything in an app."""
    for exemption in EXEMPTIONS:
        reason = f"{exemption.reason} Compensating control: {exemption.compensating_control}"
        acknowledge(app, reason, *shared(exemption.rule, exemption.packs))
