"""Environments with settings switched on, which tests share: each is synthesised once.

A test that is about a setting and not about what else there is asks `Synthesiser.having` for it.
"""

from collections.abc import Mapping

GITHUB: dict[str, object] = {
    "security.github.provider": "create",
    "security.github.repository": "team/service",
    "security.github.branch": "main",
}
SERVICE_NAME = "tasks.example.com"
DOMAIN: dict[str, object] = {
    "domain.name": SERVICE_NAME,
    "domain.hosted_zone_id": "Z0123456789ABCDEFGHIJ",
    "domain.hosted_zone_name": "example.com",
}
CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/11111111-2222-3333-4444-555555555555"
LISTENER = "arn:aws:globalaccelerator::000000000000:accelerator/0a1b2c3d-0000/listener/abcdef12"
ACCELERATOR = DOMAIN | {"accelerator.mode": "create"}
JOINED = DOMAIN | {"accelerator.mode": "existing", "accelerator.listener_arn": LISTENER}
# As settings_matrix.toml has it.
HEALTH_CANARY: dict[str, object] = {"canary.url": "https://www.example.com/healthz", "canary.enabled": True}
PRIVATE_IMAGE: dict[str, object] = {
    "container_image": "registry.example.com:5000/team/app:v1",
    "ecs.registry_secret_arn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:registry-AbCdEf",
}
REGISTRY_KEY = "arn:aws:kms:us-east-1:000000000000:key/0a1b2c3d-0000-4000-8000-000000000001"
PREPARED: dict[str, object] = {"deployment.alternate_target_group": True}
SINGLETONS = (
    "cost.anomalies",
    "recovery.image_replication",
    "security.access_analyzer",
    "security.github.provider",
    "security.guardduty",
    "security.trail",
)
MONITOR = "arn:aws:ce::333333333333:anomalymonitor/00000000-0000-0000-0000-000000000000"
# Who makes what an account, or a region of one, has one of.
MADE: dict[str, dict[str, object]] = {
    "create": GITHUB | dict.fromkeys(SINGLETONS, "create"),
    "existing": GITHUB | dict.fromkeys(SINGLETONS, "existing") | {"cost.anomaly_monitor_arn": MONITOR},
    "off": dict.fromkeys(SINGLETONS, "off"),
}
S3_LIST = "pl-1a2b"

# What no environment has switched on, or only elsewhere than where the shipped ones are.
SWITCHED_ON: tuple[tuple[str, dict[str, object]], ...] = (
    (
        "prod",
        {
            "container_image": "333333333333.dkr.ecr.us-east-1.amazonaws.com/gantry/prod:v1",
            "backup.vault_lock": "governance",
            "canary.enabled": True,
            "canary.url": "https://www.example.com/healthz",
            "network.interface_endpoints": ["ecs", "elasticache", "rds", "secretsmanager"],
            "network.s3_prefix_lists": {"us-east-1": "pl-63a5400a"},
            "aurora.proxy": True,
            "security.guardduty": "create",
            "security.github.provider": "create",
            "security.github.repository": "team/service",
            "security.github.branch": "main",
        },
    ),
    ("dev", {"region": "eu-west-1"}),
)

VARIANTS: tuple[tuple[str, Mapping[str, object]], ...] = (
    *SWITCHED_ON,
    (
        "sandbox",
        {
            "container_image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/gantry/sandbox:v1@sha256:"
            + "0" * 64,
            "ecs.environment.FEATURE_X": "on",
            "ecs.execute_command": True,
            "ecs.health_check_command": ["/bin/healthy"],
            "firewall.requests_per_five_minutes": 123,
            "load_balancer.access_logs": False,
            "load_balancer.certificate_arn": CERTIFICATE,
        },
    ),
    (
        "sandbox",
        DOMAIN
        | {
            "container_image": "public.ecr.aws/team/app@sha256:" + "0" * 64,
            "domain.record": True,
            "ecs.health_check_command": [],
            "firewall.allowed_addresses": ["198.51.100.0/24"],
            "firewall.blocked_addresses": ["203.0.113.7/32"],
            "firewall.counted_rules": ["SQLi_BODY", "NoUserAgent_HEADER"],
        },
    ),
    ("sandbox", DOMAIN | {"container_image": "public.ecr.aws/team/app:v1", "domain.record": False}),
    ("sandbox", DOMAIN | PRIVATE_IMAGE | {"load_balancer.certificate_arn": CERTIFICATE}),
    (
        "sandbox",
        ACCELERATOR | PRIVATE_IMAGE | {"ecs.registry_secret_key_arn": REGISTRY_KEY},
    ),
    (
        "dev",
        DOMAIN
        | {
            "alerts.emails": ["team@example.com"],
            "alerts.webhooks": ["https://chat.example.com/hook"],
            "alerts.page_emails": ["on-call@example.com"],
            "alerts.page_webhooks": ["https://pager.example.com/s3cr3t"],
            "aurora.auto_pause_seconds": 1800,
            "canary.enabled": True,
            "cost.anomalies": "create",
            "cost.monthly_budget_usd": 300,
            "network.zones": ["use1-az1", "use1-az2"],
            "observability.runbooks": "https://git.example.com/gantry/docs/",
            "region": "us-east-1",
        },
    ),
    (
        "dev",
        {
            "aurora.database_insights": "standard",
            "canary.enabled": True,
            "cost.anomalies": "create",
            "cost.monthly_budget_usd": 300,
            "network.cidr": "10.9.0.0/23",
            "network.zones": ["a", "b"],
            "region": "eu-north-1",
        },
    ),
    (
        "dev",
        {"network.cidr": "10.9.0.0/23", "network.zones": ["a", "b", "c"], "security.trail": "off"}
        | {"region": "eu-north-1"},
    ),
    (
        "staging",
        HEALTH_CANARY | {"canary.minutes": 2, "cost.anomalies": "create", "cost.monthly_budget_usd": 300},
    ),
    (
        "staging",
        {"cost.anomalies": "existing", "cost.anomaly_monitor_arn": MONITOR, "cost.anomaly_usd": 7},
    ),
    *(("prod", settings) for settings in MADE.values()),
    (
        "prod",
        PREPARED
        | {
            "aurora.max_capacity": 8,
            "aurora.min_capacity": 1,
            "aurora.database_insights": "advanced",
            "backup.copies": False,
            "deployment.strategy": "blue_green",
            "ecs.cpu": 256,
            "ecs.cpu_architecture": "x86_64",
            "ecs.memory_mib": 1024,
            "ecs.start_seconds": 900,
            "ecs.writable_paths": ["/tmp", "/service/uploads"],
            "network.interface_endpoints": ["ecs", "elasticache", "rds", "secretsmanager"],
            "network.nat_gateways": 2,
            "observability.cache_storage_alarm_percent": 50,
            "observability.capacity_alarm_percent": 70,
            "observability.connections_alarm_percent": 50,
            "observability.replica_lag_alarm_milliseconds": 250,
            "observability.server_errors_alarm_count": 25,
            "observability.server_errors_alarm_percent": 2.5,
            "security.guardduty": "create",
            "security.guardduty_severity": 4,
            "valkey.max_data_gb": 10,
            "valkey.max_ecpu_per_second": 9000,
            "valkey.snapshot_retention_days": 14,
        },
    ),
    (
        "prod",
        GITHUB
        | PREPARED
        | {
            "aurora.database_insights": "standard",
            "aurora.max_capacity": 64,
            "aurora.min_capacity": 2.5,
            "aurora.readers": 2,
            "backup.vault_lock": "compliance",
            "backup.weekly_retention_days": 0,
            "backup.yearly_retention_days": 0,
            "deployment.bake_minutes": 10,
            "deployment.step_minutes": 60,
            "deployment.step_percent": 20,
            "deployment.strategy": "canary",
            "ecs.cpu": 4096,
            "ecs.memory_mib": 8192,
            "ecs.spot_percent": 99,
            "ecs.writable_paths": [],
            "network.interface_endpoints": ["secretsmanager", "ecr.api"],
            "network.nat_gateways": 1,
            "security.github.repository": "team@12/service@34",
            "valkey.snapshot_retention_days": 0,
        },
    ),
    (
        "prod",
        PREPARED
        | {
            "aurora.readers": 0,
            "backup.daily_retention_days": 0,
            "backup.restore_tests": False,
            "canary.enabled": False,
            "deployment.step_minutes": 7,
            "deployment.step_percent": 20,
            "deployment.strategy": "linear",
            "ecs.cpu_target_utilization": 45,
            "ecs.environment.WEB_CONCURRENCY": "3",
            "ecs.max_capacity": 9,
            "ecs.min_capacity": 4,
            "network.interface_endpoints": ["ecs", "elasticache", "rds", "secretsmanager"],
            "network.s3_prefix_lists": {"us-east-1": S3_LIST},
            "security.github.provider": "create",
            "security.github.repository": "team/service",
            "security.github.environment": "production",
        },
    ),
    (
        "prod",
        {
            "backup.enabled": False,
            "rotation.database_schedule": "cron(0 3 ? * SUN *)",
            "ecs.requests_per_target": 600,
            "ecs.scheduled_scaling": {
                "evening": {"schedule": "cron(0 20 ? * MON-FRI *)", "min_capacity": 2, "max_capacity": 6},
                "morning": {
                    "schedule": "cron(0 7 ? * MON-FRI *)",
                    "time_zone": "Europe/Berlin",
                    "min_capacity": 8,
                    "max_capacity": 20,
                },
            },
            "ecs.spot_percent": 60,
            "network.interface_endpoints": ["ecs", "elasticache", "secretsmanager"],
            "network.s3_prefix_lists": {"us-east-1": S3_LIST},
        },
    ),
)
