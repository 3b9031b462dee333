"""What is watched, who is notified, and that it says what to do."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gantry.monitoring.data_alarms import max_connections
from ops.assembly import Resource
from tests.infrastructure.synthesis import ROOT, Synthesised, Synthesiser, as_list
from tests.infrastructure.variants import DOMAIN, HEALTH_CANARY, MONITOR, SERVICE_NAME
from tests.pages import anchors

SYMPTOMS = {"errors", "latency", "no-healthy-targets"}
OTHER_ALARMS = {
    "cpu", "memory", "unhealthy-targets", "blocked-requests",
    "database-capacity", "database-connections", "database-transaction-ids",
    "cache-storage", "cache-evictions", "cache-throttles",
}  # fmt: skip


def alarms(platform: Synthesised, *, layer: str = "Observability") -> dict[str, Resource]:
    """Return the metric alarms of a layer by name, without the environment's prefix."""
    prefix = f"{platform.settings.full_name}-"
    return {
        alarm.get("AlarmName").removeprefix(prefix): alarm
        for alarm in platform.of_type("AWS::CloudWatch::Alarm")
        if alarm.stack == layer
    }


def topics(platform: Synthesised, alarm: Resource, key: str) -> set[str]:
    return {topic.name for topic in platform.assembly.referents(alarm, alarm.get(key, default=[]))}


def every_alarm(platform: Synthesised) -> list[Resource]:
    return platform.of_type("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")


def test_every_alarm_is_named_in_words_and_has_a_section_of_its_name(platform: Synthesised) -> None:
    for alarm in every_alarm(platform):
        name = alarm.get("AlarmName").removeprefix(f"{platform.settings.full_name}-")
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name), name
        link = re.search(r"What to do: docs/([\w.-]+)#([\w-]+)$", alarm.get("AlarmDescription", default=""))
        assert link, alarm.path
        page, anchor = link.groups()
        assert anchor in anchors(ROOT / "docs" / page), f"{alarm.path}: docs/{page} has no #{anchor}"
        # Secrets have the same alarms; those that roll a deployment back have one section.
        of_a_secret = {f"rotation-{secret}-{anchor}" for secret in ("database", "valkey", "signing-key")}
        assert name in {anchor, *of_a_secret} or anchor == "a-deployment-was-rolled-back", name


def test_name_of_every_alarm_ends_with_the_words_of_its_construct(platform: Synthesised) -> None:
    for alarm in every_alarm(platform):
        construct = alarm.path.removesuffix("/Resource").rpartition("/")[2].removesuffix("Alarm")
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", construct).lower()
        assert alarm.get("AlarmName").endswith(words), alarm.path


def test_every_alarm_has_a_name_of_its_own(platform: Synthesised) -> None:
    names = [alarm.get("AlarmName") for alarm in every_alarm(platform)]
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"{platform.settings.full_name}-") for name in names)


def test_links_name_the_pages_that_the_team_reads(synthesise: Synthesiser) -> None:
    base = "https://git.example.com/gantry/docs/"
    platform = synthesise.having("dev", {"observability.runbooks": base})
    assert all(base in alarm.get("AlarmDescription") for alarm in every_alarm(platform))


def test_one_alarm_pages_and_it_is_the_one_on_symptoms(platform: Synthesised) -> None:
    composite = platform.only("AWS::CloudWatch::CompositeAlarm")
    children = {
        child.get("AlarmName") for child in platform.assembly.referents(composite, composite.get("AlarmRule"))
    }
    symptoms = SYMPTOMS | ({"canary"} if platform.settings.canary.enabled else set())
    assert children == {f"{platform.settings.full_name}-{name}" for name in symptoms}
    assert topics(platform, composite, "AlarmActions") == {"PageTopic"}
    assert topics(platform, composite, "OKActions") == {"PageTopic"}
    for alarm in platform.of_type("AWS::CloudWatch::Alarm"):
        assert "PageTopic" not in topics(platform, alarm, "AlarmActions"), alarm.path


def test_every_other_alarm_notifies_the_alert_topic_also_when_it_is_over(platform: Synthesised) -> None:
    for name, alarm in alarms(platform).items():
        assert topics(platform, alarm, "AlarmActions") == {"AlertTopic"}, name
        assert topics(platform, alarm, "OKActions") == {"AlertTopic"}, name


def test_deployment_alarms_roll_back_and_notify_no_one(platform: Synthesised) -> None:
    for alarm in alarms(platform, layer="Compute").values():
        assert alarm.get("AlarmActions") is None


def test_what_is_watched(platform: Synthesised) -> None:
    settings = platform.settings
    expected = SYMPTOMS | OTHER_ALARMS
    expected |= {"database-replica-lag"} if settings.aurora.readers else set()
    expected |= {"backup-overdue"} if settings.backup.enabled else set()
    expected |= {"canary"} if settings.canary.enabled else set()
    expected |= {"certificate-expires"} if settings.load_balancer.certificate_arn else set()
    assert set(alarms(platform)) == expected
    assert set(alarms(platform, layer="Network")) == {"nat-port-allocation"}


def test_silence_is_no_alarm_but_where_it_means_an_outage(platform: Synthesised) -> None:
    breaching = {n for n, alarm in alarms(platform).items() if alarm.get("TreatMissingData") == "breaching"}
    # ACM publishes nothing more of a certificate that has expired.
    assert breaching - {"backup-overdue", "certificate-expires"} == {"no-healthy-targets"}


def test_few_errors_of_few_requests_wake_no_one(synthesise: Synthesiser) -> None:
    platform = synthesise.having(
        "prod",
        {"observability.server_errors_alarm_count": 25, "observability.server_errors_alarm_percent": 2.5},
    )
    alarm = alarms(platform)["errors"]
    (share,) = [each for each in alarm.get("Metrics") if each["ReturnData"]]
    assert "> 25" in share["Expression"]
    assert alarm.get("Threshold") == 2.5


def test_errors_of_the_load_balancer_itself_count(platform: Synthesised) -> None:
    """Without a healthy target there are no others."""
    metrics = {
        each["MetricStat"]["Metric"]["MetricName"]
        for each in alarms(platform)["errors"].get("Metrics")
        if "MetricStat" in each
    }
    assert metrics == {"HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count", "RequestCount"}


@pytest.mark.parametrize(
    ("capacity", "connections"), [(1, 189), (4, 823), (8, 1669), (16, 3360), (32, 5000), (128, 5000)]
)
def test_connections_of_an_instance_are_those_of_awss_table(capacity: float, connections: int) -> None:
    assert max_connections(1, capacity) == connections


@pytest.mark.parametrize("low", [0, 0.5])
def test_low_capacity_caps_connections(low: float) -> None:
    assert max_connections(low, 64) == 2000


def test_limits_follow_the_settings(synthesise: Synthesiser) -> None:
    platform = synthesise.having(
        "prod",
        {
            "aurora.min_capacity": 1,
            "aurora.max_capacity": 8,
            "valkey.max_data_gb": 10,
            "observability.connections_alarm_percent": 50,
            "observability.cache_storage_alarm_percent": 50,
            "observability.capacity_alarm_percent": 70,
            "observability.replica_lag_alarm_milliseconds": 250,
        },
    )
    found = alarms(platform)
    assert found["database-connections"].get("Threshold") == 834
    assert found["cache-storage"].get("Threshold") == 5 * 1024**3
    assert found["database-capacity"].get("Threshold") == 70
    assert found["database-replica-lag"].get("Threshold") == 250


def test_without_readers_nothing_can_lag(synthesise: Synthesiser) -> None:
    assert "database-replica-lag" not in alarms(synthesise.having("prod", {"aurora.readers": 0}))


def test_missing_backup_is_noticed_only_where_there_is_one_every_day(synthesise: Synthesiser) -> None:
    assert "backup-overdue" not in alarms(synthesise.having("prod", {"backup.daily_retention_days": 0}))


# ---- the dashboard


def text(platform: Synthesised, value: Any) -> str:  # noqa: ANN401 - JSON
    """Return an expression as text, with references as the names of what they refer to."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        return "".join(text(platform, part) for part in value["Fn::Join"][1])
    return json.dumps(value).replace('"', "'")


def widgets(platform: Synthesised) -> list[dict[str, Any]]:
    body = text(platform, platform.only("AWS::CloudWatch::Dashboard").get("DashboardBody"))
    found: list[dict[str, Any]] = json.loads(body)["widgets"]
    return found


def titles(platform: Synthesised) -> list[str]:
    return [
        widget["properties"].get("title") or widget["properties"]["markdown"].splitlines()[0].lstrip("# ")
        for widget in widgets(platform)
    ]


def graphs(platform: Synthesised) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield namespace, name and dimensions of every metric that is shown."""
    for widget in widgets(platform):
        for metric in widget["properties"].get("metrics", ()):
            if isinstance(metric[0], str):
                namespace, name, *rest = metric
                pairs = [part for part in rest if isinstance(part, str)]
                yield namespace, name, dict(zip(pairs[::2], pairs[1::2], strict=True))


def test_dashboard_shows_first_what_is_wrong_and_then_the_golden_signals(platform: Synthesised) -> None:
    assert titles(platform)[:8] == [
        "Pages", "Alerts", "Secrets and backups",
        "Golden signals", "Traffic (requests a minute)", "Errors (5xx a minute)", "Latency (s)",
        "Saturation (% of tasks)",
    ]  # fmt: skip


def test_dashboard_shows_every_alarm(platform: Synthesised) -> None:
    dashboard = platform.only("AWS::CloudWatch::Dashboard")
    body = text(platform, dashboard.get("DashboardBody"))
    referred = {each.get("AlarmName") for each in platform.assembly.referents(dashboard)}
    for alarm in every_alarm(platform):
        assert alarm.get("AlarmName") in referred or f":alarm:{alarm.get('AlarmName')}" in body


def test_dashboard_fills_its_rows(platform: Synthesised) -> None:
    rows: dict[int, int] = {}
    for widget in widgets(platform):
        rows[widget["y"]] = rows.get(widget["y"], 0) + widget["width"]
    assert set(rows.values()) == {24}


def test_dashboard_shows_each_dependency(platform: Synthesised) -> None:
    namespaces = {namespace for namespace, _, _ in graphs(platform)}
    assert {
        "AWS/ApplicationELB", "AWS/ECS", "ECS/ContainerInsights", "AWS/RDS", "AWS/ElastiCache",
        "AWS/WAFV2", "Gantry",
    } <= namespaces  # fmt: skip
    assert ("AWS/Backup" in namespaces) == platform.settings.backup.enabled
    assert ("CloudWatchSynthetics" in namespaces) == platform.settings.canary.enabled


def test_metrics_are_kept_under_the_names_of_what_is_deployed(prod: Synthesised) -> None:
    """A metric of a name that does not exist draws nothing and says so to no one."""
    dimensions = {namespace: found for namespace, _, found in graphs(prod)}
    assert dimensions["AWS/ElastiCache"]["clusterId"] == prod.only("AWS::ElastiCache::ServerlessCache").get(
        "ServerlessCacheName"
    )
    acl = prod.only("AWS::WAFv2::WebACL")
    assert dimensions["AWS/WAFV2"]["WebACL"] == acl.get("VisibilityConfig", "MetricName") == acl.get("Name")
    vault = prod.only("AWS::Backup::BackupVault", path="BackupVault")
    assert dimensions["AWS/Backup"]["BackupVaultName"] == vault.get("BackupVaultName")
    shown = {found["Secret"] for _, name, found in graphs(prod) if name == "DaysSinceRotation"}
    assert shown <= {secret.get("Name") for secret in prod.of_type("AWS::SecretsManager::Secret")}
    assert len(shown) == 3
    plan = prod.only("AWS::Backup::RestoreTestingPlan").get("RestoreTestingPlanName")
    assert {found["Plan"] for _, name, found in graphs(prod) if name == "DaysSinceRestoreTest"} == {plan}


def test_dashboard_keeps_nothing_of_earlier_layers_from_going(platform: Synthesised) -> None:
    """An export in use can be neither changed nor removed; alarms and gateways come and go."""
    dashboard = platform.only("AWS::CloudWatch::Dashboard")
    imported = {each.type for each in platform.assembly.referents(dashboard) if each.stack != dashboard.stack}
    assert imported == {
        "AWS::ECS::Cluster", "AWS::ECS::Service", "AWS::ElasticLoadBalancingV2::Listener",
        "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ElasticLoadBalancingV2::TargetGroup",
        "AWS::RDS::DBCluster",
    }  # fmt: skip


# ---- subscribers and publishers


def subscriptions(platform: Synthesised) -> dict[str, tuple[str, str]]:
    found = {}
    for each in platform.of_type("AWS::SNS::Subscription"):
        (topic,) = platform.assembly.referents(each, each.get("TopicArn"))
        found[each.get("Endpoint")] = (each.get("Protocol"), topic.name)
    return found


def test_subscribers_get_their_topic(synthesise: Synthesiser) -> None:
    platform = synthesise.having("dev", {"alerts.emails": ["team@example.com"]})
    assert subscriptions(platform) == {
        "team@example.com": ("email", "AlertTopic"),
        "https://chat.example.com/hook": ("https", "AlertTopic"),
        "on-call@example.com": ("email", "PageTopic"),
        "https://pager.example.com/s3cr3t": ("https", "PageTopic"),
    }


def test_secret_of_a_webhook_is_in_no_name(synthesise: Synthesiser) -> None:
    platform = synthesise.having("dev", {"alerts.page_webhooks": ["https://pager.example.com/s3cr3t"]})
    assert not [each for each in platform.of_type("AWS::SNS::Subscription") if "s3cr3t" in each.logical_id]


def test_webhook_is_tried_again_within_what_sns_allows(synthesise: Synthesiser) -> None:
    platform = synthesise.having("dev", {"alerts.webhooks": ["https://chat.example.com/hook"]})
    webhooks = [
        each for each in platform.of_type("AWS::SNS::Subscription") if each.get("Protocol") == "https"
    ]
    assert len(webhooks) == 2
    for each in webhooks:
        retry = each.get("DeliveryPolicy", "healthyRetryPolicy")
        assert retry["numRetries"] > 3
        assert retry["numRetries"] * retry["maxDelayTarget"] < 3600


def test_without_subscribers_there_are_no_subscriptions(platform: Synthesised) -> None:
    assert subscriptions(platform) == {}


def publishers(platform: Synthesised, topic: str) -> set[str]:
    policy = platform.only("AWS::SNS::TopicPolicy", path=f"{topic}/Policy")
    return {
        statement["Principal"]["Service"].removesuffix(".amazonaws.com")
        for statement in policy.get("PolicyDocument", "Statement")
        if statement["Effect"] == "Allow"
    }


def test_only_alarms_page(platform: Synthesised) -> None:
    assert publishers(platform, "PageTopic") == {"cloudwatch"}


def key_users(platform: Synthesised) -> set[str]:
    key = platform.only("AWS::KMS::Key", path="Keys/Messages")
    principals = [s["Principal"].get("Service", "") for s in key.get("KeyPolicy", "Statement")]
    return {principal.removesuffix(".amazonaws.com") for principal in principals if principal}


@pytest.mark.parametrize(
    ("environment", "overrides", "more"),
    [
        ("staging", {}, set[str]()),
        ("prod", {}, {"budgets"}),
        (
            "staging",
            {"cost.anomalies": "existing", "cost.anomaly_monitor_arn": MONITOR, "cost.anomaly_usd": 7},
            {"costalerts"},
        ),
    ],
    ids=["neither", "budget", "anomalies"],
)
def test_costs_notify_where_they_are_watched(
    synthesise: Synthesiser, environment: str, overrides: dict[str, object], more: set[str]
) -> None:
    """The topic and its key must both let them, or the message is lost without a trace."""
    platform = synthesise(environment, overrides)
    expected = {"cloudwatch", "events"} | more
    assert publishers(platform, "AlertTopic") == expected
    assert expected <= key_users(platform)


# ---- costs


def test_budget_notifies_the_topic_before_and_after_it_is_spent(synthesise: Synthesiser) -> None:
    platform = synthesise.having("staging", {"cost.monthly_budget_usd": 300})
    budget = platform.only("AWS::Budgets::Budget")
    assert budget.get("Budget", "BudgetLimit") == {"Amount": 300, "Unit": "USD"}
    notified = set()
    for each in budget.get("NotificationsWithSubscribers"):
        (subscriber,) = each["Subscribers"]
        (topic,) = platform.assembly.referents(budget, subscriber["Address"])
        notified.add(
            (each["Notification"]["NotificationType"], each["Notification"]["Threshold"], topic.name)
        )
    assert notified == {
        ("ACTUAL", 80, "AlertTopic"),
        ("ACTUAL", 100, "AlertTopic"),
        ("FORECASTED", 100, "AlertTopic"),
    }


@pytest.mark.parametrize("region", ["us-east-1", "eu-north-1"])
def test_costs_are_watched_where_aws_has_budgets(synthesise: Synthesiser, region: str) -> None:
    """CloudFormation has budgets in about half of the regions, and all that is about costs in us-east-1."""
    costs = {"cost.monthly_budget_usd": 300, "cost.anomalies": "create"}
    platform = synthesise.having("dev", costs | {"region": region})
    (stack,) = [each for each in platform.assembly.stacks if each.layer == "global"]
    assert stack.region == "us-east-1"
    budget = platform.only("AWS::Budgets::Budget")
    assert {budget.stack, platform.only("AWS::CE::AnomalySubscription").stack} == {stack.id}
    subscriber = budget.get("NotificationsWithSubscribers")[0]["Subscribers"][0]
    weak = subscriber["Address"].get("Fn::GetStackOutput", {"Region": "us-east-1"})
    assert weak["Region"] == region


def test_budget_can_be_replaced(prod: Synthesised) -> None:
    """CloudFormation makes the new one while the old one is there."""
    assert prod.only("AWS::Budgets::Budget").get("Budget", "BudgetName") is None


def test_anomalies_of_an_existing_monitor_notify(synthesise: Synthesiser) -> None:
    platform = synthesise.having("staging", {"cost.anomalies": "existing", "cost.anomaly_usd": 7})
    assert not platform.of_type("AWS::CE::AnomalyMonitor")
    subscription = platform.only("AWS::CE::AnomalySubscription")
    assert subscription.get("MonitorArnList") == [MONITOR]
    assert subscription.get("Frequency") == "IMMEDIATE"
    assert json.loads(subscription.get("ThresholdExpression"))["Dimensions"]["Values"] == ["7"]


def test_monitor_of_anomalies_is_not_replaced_when_tags_change(synthesise: Synthesiser) -> None:
    monitor = synthesise.having("staging", {"cost.anomalies": "create"}).only("AWS::CE::AnomalyMonitor")
    assert monitor.get("ResourceTags") is None


def test_costs_are_not_watched_unless_asked(synthesise: Synthesiser) -> None:
    types = {each.type for each in synthesise("dev").assembly.resources}
    assert not {each for each in types if each.startswith(("AWS::CE::", "AWS::Budgets::"))}


# ---- the canary


def test_canary_asks_the_address_of_its_setting(synthesise: Synthesiser) -> None:
    canary = synthesise.having("staging", {"canary.minutes": 2}).only("AWS::Synthetics::Canary")
    assert canary.get("RunConfig", "EnvironmentVariables") == {"URL": "https://www.example.com/healthz"}
    assert canary.get("Schedule", "Expression") == "rate(2 minutes)"
    assert canary.get("ProvisionedResourceCleanup") == "AUTOMATIC"


def test_canary_asks_the_load_balancer_where_no_certificate_is_needed(synthesise: Synthesiser) -> None:
    platform = synthesise.having("dev", {"canary.enabled": True, "network.cidr": "10.9.0.0/23"})
    canary = platform.only("AWS::Synthetics::Canary")
    url = canary.get("RunConfig", "EnvironmentVariables", "URL")
    assert text(platform, url).startswith("http://")
    assert text(platform, url).endswith("/healthz")
    (balancer,) = platform.assembly.referents(canary, url)
    assert balancer.type == "AWS::ElasticLoadBalancingV2::LoadBalancer"


def test_canary_asks_the_service_by_its_name(synthesise: Synthesiser) -> None:
    canary = synthesise.having("dev", DOMAIN | {"canary.enabled": True}).only("AWS::Synthetics::Canary")
    assert canary.get("RunConfig", "EnvironmentVariables") == {"URL": f"https://{SERVICE_NAME}/healthz"}


def test_log_of_the_canary_is_encrypted_and_forgets_as_all_others_do(synthesise: Synthesiser) -> None:
    """Lambda would make the group without key and retention, if the canary's role allowed it."""
    platform = synthesise.having("staging", HEALTH_CANARY)
    group = platform.only("AWS::Logs::LogGroup", path="Canary/LogGroup")
    assert group.get("RetentionInDays") == platform.settings.state.log_retention_days
    prefix, identity = group.get("LogGroupName")["Fn::Join"][1]
    canary = platform.only("AWS::Synthetics::Canary")
    assert prefix == f"/aws/lambda/cwsyn-{canary.get('Name')}-"
    assert list(platform.assembly.referents(group, identity)) == [canary]
    key = platform.only("AWS::KMS::Key", path="Keys/Logs")
    (statement,) = [s for s in key.get("KeyPolicy", "Statement") if s.get("Sid") == "EncryptLogGroups"]
    patterns = as_list(statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"])
    assert any(pattern.endswith(f"{prefix}*") for pattern in patterns)
    actions = {
        action
        for resource, statement in platform.statements()
        if resource.path.startswith("Canary/")
        for action in as_list(statement["Action"])
    }
    assert "logs:CreateLogGroup" not in actions
    assert "logs:PutLogEvents" in actions


def test_canary_writes_results_under_its_own_prefix_alone(synthesise: Synthesiser) -> None:
    platform = synthesise.having("staging", HEALTH_CANARY)
    writing = [
        statement
        for resource, statement in platform.statements()
        if resource.path.startswith("Canary/") and "s3:PutObject" in as_list(statement["Action"])
    ]
    (statement,) = writing
    assert text(platform, statement["Resource"]).endswith("/canary/*")
    location = platform.only("AWS::Synthetics::Canary").get("ArtifactS3Location")
    assert text(platform, location).endswith("/canary")


def test_without_a_canary_nothing_is_left_of_it(synthesise: Synthesiser) -> None:
    off = synthesise.having("prod", {"canary.enabled": False})
    assert not off.of_type("AWS::Synthetics::Canary")
    assert "cwsyn" not in json.dumps(off.template("state"))
    assert "canary" not in json.dumps(off.template("observability")).lower()
