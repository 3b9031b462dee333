"""What the platform and the container agree on (docs/service-contract.md)."""

from contract.secrets import RotatingSecret

PORT = 8080
HEALTH_PATH = "/healthz"
USER = "10001:10001"
# Docker labels: which schema of the database a version makes, and the oldest version that still works on it.
SCHEMA_LABEL, OLDEST_SCHEMA_LABEL = "gantry.schema", "gantry.oldest-schema"
CONTAINER = "service"  # its name in the task definition, and the prefix of its log streams

# What the platform sets; an environment's own variables are added.
VARIABLES = frozenset(secret.facts.variable for secret in RotatingSecret) | {
    "PORT", "ENVIRONMENT", "SERVICE_VERSION", "LOG_LEVEL", "STOP_TIMEOUT_SECONDS", "COOKIE_SECURE",
    "DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_POOL_MIN", "DATABASE_POOL_MAX",
    "DATABASE_PREPARED_STATEMENTS", "VALKEY_HOST", "VALKEY_PORT",
}  # fmt: skip
