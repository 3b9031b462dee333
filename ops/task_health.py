"""What a task says of its database and its cache, which no one learns through the load balancer."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from contract.service import HEALTH_PATH
from ops.aws import Environment
from ops.console import printable

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import ServiceTypeDef

WELL = "ok"
# The security groups let only the load balancer in, and there is no route from here to addresses of a VPC.
IN_AN_ACCOUNT = "only at a task's own port, inside the VPC"


def dependencies(environment: Environment, outputs: Mapping[str, str]) -> str:
    """Return how the database and the cache are, as one of the service's healthy tasks sees them.

    Parameters
    ----------
    environment
        Where the service is; only the sandbox's tasks can be asked from here.
    outputs
        Those of the compute stack.
    """
    return IN_AN_ACCOUNT if environment.endpoint_url is None else asked(environment, outputs)


def asked(environment: Environment, outputs: Mapping[str, str]) -> str:
    """Return what one of the healthy tasks says at its own port, or that it cannot be reached from here."""
    address = next(_addresses(environment, outputs), None)
    if address is None:
        return "unknown: no task is healthy"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the user's leads elsewhere
    try:
        with opener.open(f"http://{address}{HEALTH_PATH}?detailed=true", timeout=5):
            return WELL
    except urllib.error.HTTPError as error:
        return said(error)
    except (OSError, http.client.HTTPException) as error:
        return f"unreachable: {error}"


def said(error: urllib.error.HTTPError) -> str:
    """Return what failed, as the service says it; never the page that a load balancer answers with."""
    text = f"HTTP {error.code}"
    with suppress(ValueError, OSError, http.client.HTTPException):
        document = json.loads(error.read(10_000))
        if isinstance(document, dict) and isinstance(failed := document.get("failed"), list):
            text += f", failed: {', '.join(map(str, failed))}"
    return printable(text)


def target_groups(service: "ServiceTypeDef") -> Iterator[str]:
    """Yield the ARNs of a service's target groups."""
    for balancer in service.get("loadBalancers", []):
        other = balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn")
        yield from filter(None, (balancer.get("targetGroupArn"), other))


def _addresses(environment: Environment, outputs: Mapping[str, str]) -> Iterator[str]:
    answer = environment.ecs.describe_services(
        cluster=outputs["ClusterName"], services=[outputs["ServiceName"]]
    )
    for group in target_groups(answer["services"][0]):
        targets = environment.load_balancing.describe_target_health(TargetGroupArn=group)
        for each in targets["TargetHealthDescriptions"]:
            if each["TargetHealth"]["State"] == "healthy":
                yield f"{each['Target']['Id']}:{each['Target']['Port']}"
