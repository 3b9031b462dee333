"""Names of the log groups, and the words by which operators ask for them."""

from collections.abc import Mapping

from contract.secrets import RotatingSecret

# After the environment's prefix.
SERVICE = "service"
EXEC = "exec"
FLOW_LOGS = "vpc-flow-logs"
TRAIL = "trail"
DATABASE_EXPORT = "postgresql"
_FUNCTIONS = ("cache-user", "database-roles", "restore-test")


def function(name: str) -> str:
    """Return the name of a function's log group, after the environment's prefix."""
    return f"lambda/{name}"


def rotation(secret: str) -> str:
    """Return how the function that rotates a secret is called here."""
    return f"rotation-{secret}"


def firewall(name: str) -> str:
    """Return the name of a firewall's log group; WAF logs to no group that is named otherwise."""
    return f"aws-waf-logs-{name}"


def database(cluster_name: str, export: str = DATABASE_EXPORT) -> str:
    """Return the name of a cluster's log group; RDS chooses it."""
    return f"/aws/rds/cluster/{cluster_name}/{export}"


def database_proxy(proxy_name: str) -> str:
    """Return the name of a proxy's log group; RDS chooses it."""
    return f"/aws/rds/proxy/{proxy_name}"


def canary(canary_name: str, canary_id: str = "*") -> str:
    """Return the name of a canary's log group, or what it matches; Synthetics chooses it."""
    return f"/aws/lambda/cwsyn-{canary_name}-{canary_id}"


def sources(prefix: str, name: str) -> Mapping[str, str]:
    """Return the log group of each word, or what its name matches; no environment has all of them.

    Parameters
    ----------
    prefix
        How the names begin that Gantry chooses: ``/<name>/<environment>/``.
    name
        Of what there is one of in the environment: ``<name>-<environment>``.
    """
    functions = (*_FUNCTIONS, *(rotation(secret) for secret in RotatingSecret))
    return {
        "service": prefix + SERVICE,
        "database": database(name),
        "database-proxy": database_proxy(name),
        "firewall": firewall(name),
        "flow-logs": prefix + FLOW_LOGS,
        "canary": canary(name),
        "trail": prefix + TRAIL,
        "exec": prefix + EXEC,
        **{each: prefix + function(each) for each in functions},
    }
