"""The certificate and the hosted zone, without which the load balancer serves no HTTPS."""

from collections.abc import Iterable, Iterator

from ops.checks.context import Deployment
from ops.checks.pre_deploy.name_servers import name_servers
from ops.checks.results import Result, failed, ok

_PAGE = "docs/first-deployment.md, `Certificate or zone`"


def certificate(context: Deployment) -> Iterator[Result]:
    """Yield whether a certificate that the settings name is issued, and covers the service's name."""
    arn, name = context.settings.load_balancer.certificate_arn, context.settings.domain.name
    if arn is None:
        return
    found = context.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    names = [found["DomainName"], *found.get("SubjectAlternativeNames", ())]
    until = found.get("NotAfter")
    evidence = f"The certificate is {found['Status']}, of {', '.join(dict.fromkeys(names))}"
    evidence += f", until {until:%Y-%m-%d}." if until else "."
    if found["Status"] != "ISSUED" or (until is not None and until <= context.now):
        yield failed("certificate", evidence, f"Wait for ISSUED: {_PAGE}.")
    elif name is not None and not covers(names, name):
        yield failed("certificate", f"{evidence} None of these is {name}.", "Name one that covers it.")
    else:
        yield ok("certificate", evidence)


def covers(names: Iterable[str], name: str) -> bool:
    """Return whether a certificate's names cover one; a wildcard is for one label (RFC 6125)."""
    wildcard = f"*.{name.partition('.')[2]}"
    return any(each.lower() in {name.lower(), wildcard.lower()} for each in names)


def hosted_zone(context: Deployment) -> Iterator[Result]:
    """Yield whether the zone is the one that the world asks for the service's name."""
    domain = context.settings.domain
    if domain.hosted_zone_id is None or domain.hosted_zone_name is None:
        return
    answer = context.client("route53").get_hosted_zone(Id=domain.hosted_zone_id)
    zone = answer["HostedZone"]
    if zone["Name"].rstrip(".") != domain.hosted_zone_name:
        evidence = f"{domain.hosted_zone_id} is {zone['Name']}, not {domain.hosted_zone_name}."
        yield failed("hosted zone", evidence, "Set domain.hosted_zone_id and hosted_zone_name right.")
        return
    if zone.get("Config", {}).get("PrivateZone"):
        yield failed("hosted zone", f"{domain.hosted_zone_name} is a private zone.", "Name the public one.")
        return
    own = {each.rstrip(".").lower() for each in answer["DelegationSet"]["NameServers"]}
    public = name_servers(domain.hosted_zone_name)
    evidence = (
        f"In public, {', '.join(sorted(public)) or 'no one'} serves {domain.hosted_zone_name}; "
        f"the zone's servers are {', '.join(sorted(own))}."
    )
    if public and public <= own:
        yield ok("hosted zone", evidence)
    else:
        yield failed("hosted zone", evidence, f"Have the registrar name the zone's servers: {_PAGE}.")
