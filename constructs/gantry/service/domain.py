"""The service's name in a hosted zone, and the certificate for it."""

from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from constructs import Construct


class ServiceDomain(Construct):
    """A name in a public hosted zone that is there already; nothing is looked up.

    Parameters
    ----------
    name
        The service's name.
    hosted_zone_id, hosted_zone_name
        The zone.

    Attributes
    ----------
    name
        The service's name.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, hosted_zone_id: str, hosted_zone_name: str
    ) -> None:
        super().__init__(scope, construct_id)
        self.name = name
        self._zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=hosted_zone_id, zone_name=hosted_zone_name
        )

    def certificate(self) -> acm.ICertificate:
        """Return a certificate for the name, whose record of validation CloudFormation writes to the zone."""
        return acm.Certificate(
            self,
            "Certificate",
            domain_name=self.name,
            validation=acm.CertificateValidation.from_dns(self._zone),
        )

    def add_alias_record(self, target: route53.IAliasRecordTarget) -> None:
        """Point the name at something; IPv4 alone, as load balancer and accelerator are."""
        route53.ARecord(
            self,
            "Alias",
            zone=self._zone,
            # With its dot: a name without one gets the zone's appended if it ends otherwise.
            record_name=f"{self.name}.",
            target=route53.RecordTarget.from_alias(target),
        )
