"""Access strings of ElastiCache's users: what a user may do, as Valkey's ACL writes it.

ElastiCache gives a string back in words of its own: what was set as `~objects:*` is described as
`off ~objects:* -@all` (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html).
"""

# Without `-@all` the connections that a user has open would go on: `off` only refuses new ones
# (https://valkey.io/commands/acl-setuser), and ElastiCache closes none when it changes a user.
CLOSED = "off -@all"


def is_on(access: str) -> bool:
    """Return whether a user may log in."""
    return "on" in access.split()


def is_closed(access: str) -> bool:
    """Return whether a user may neither log in nor do anything on a connection that is open."""
    return not any(rule.startswith(("on", "+", "allcommands", "(")) for rule in access.split())
