"""Settings: what is accepted, and what a person reads when something is not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.settings import (
    CONFIG_DIR,
    PipelineSettings,
    Settings,
    SettingsError,
    is_settings_key,
    load_settings,
    platforms,
)
from stacks.settings.model import SettingsModel
from stacks.settings.schema import json_schema

ENVIRONMENTS = platforms()


@pytest.fixture(autouse=True)
def _no_region_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)


def failure(environment: str = "prod", **overrides: object) -> str:
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    with pytest.raises(SettingsError) as raised:
        load_settings(environment, overrides=dotted)
    return str(raised.value)


def refusal(overrides: dict[str, object]) -> str | None:
    try:
        load_settings("prod", overrides=overrides)
    except SettingsError as error:
        return str(error)
    return None


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_shipped_environment_is_valid(environment: str) -> None:
    assert load_settings(environment).environment == environment


def test_unknown_environment_names_the_ones_there_are() -> None:
    assert failure("produktion").endswith("there are: dev, pipeline, prod, prod-standby, sandbox, staging")


def test_unknown_key_is_named_with_the_nearest_one() -> None:
    message = failure(ecs__max_capcity="8")
    assert "config/prod.toml" in message
    assert (
        "ecs.max_capcity = 8 (from -c): there is no such setting (did you mean ecs.max_capacity?)" in message
    )


def test_all_mistakes_are_named_at_once() -> None:
    message = failure(ecs__cpu_target_utilization="200", aurora__min_capacity="99", nothing="1")
    assert "ecs.cpu_target_utilization = 200 (from -c): must be a whole number from 10 to 90" in message
    assert "aurora.min_capacity = 99.0 (from -c): must not exceed max_capacity (16)" in message
    assert "nothing = 1 (from -c): there is no such setting" in message


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (
            {"ecs.min_capacity": "9", "ecs.max_capacity": "8"},
            "ecs.min_capacity = 9 .* must not exceed max_capacity .8",
        ),
        ({"load_balancer.allow_http": "true"}, "load_balancer.allow_http = true .* must be false in prod"),
        ({"ecs.cpu": "300"}, "ecs.cpu = 300 .* must be one of 256, 512, 1024, 2048, 4096"),
        (
            {"ecs.cpu": "256", "ecs.memory_mib": "4096"},
            "ecs.memory_mib = 4096 .* must be one of 512, 1024, 2048 with cpu = 256",
        ),
        ({"aurora.min_capacity": "0"}, "ecs.database_pool_min = 1: must be 0 when aurora.min_capacity is 0"),
        (
            {"aurora.min_capacity": "0.7"},
            "aurora.min_capacity = 0.7 .* must be a number from 0 to 256 in steps of 0.5",
        ),
        (
            {"aurora.auto_pause_seconds": "600"},
            "aurora.auto_pause_seconds = 600 .* needs min_capacity = 0: no other cluster pauses",
        ),
        (
            {"aurora.min_capacity": "0", "ecs.database_pool_min": "0", "aurora.proxy": "true"},
            "aurora.proxy = true .* must be false when min_capacity is 0",
        ),
        ({"aurora.database_insights": "full"}, '"full" .* must be one of "standard", "advanced"'),
        (
            {"backup.vault_lock": "compliance", "state.retention": "destroy"},
            'backup.vault_lock = "compliance".* needs state.retention = "retain"',
        ),
        ({"network.zones": '["a"]'}, "must be a list of 2 to 3"),
        ({"network.zones": '["a", "use1-az1"]'}, "network.zones = .* must be all letters or all ids"),
        (
            {"network.zones": '["usw2-az1", "usw2-az2"]', "network.nat_gateways": "2"},
            "network.zones = .* must be ids of zones of us-east-1, such as use1-az1",
        ),
        ({"network.zones": '["a", "a"]'}, "zones = .* must differ from each other"),
        (
            {"network.nat_gateways": "3", "network.zones": '["a", "b"]'},
            "nat_gateways = 3 .* must not exceed the 2 zones",
        ),
        ({"state.log_retention_days": "100"}, "state.log_retention_days = 100 .* must be one of 1, 3, 5"),
        ({"security.trail": "true"}, 'security.trail = true .* must be one of "create", "existing", "off"'),
        ({"security.github.provider": "create"}, 'github.repository: is needed by provider = "create"'),
        (
            {"security.github.provider": "existing", "security.github.repository": "team/service"},
            "github.branch: or environment is needed, and not both",
        ),
        (
            {"security.github.repository": "team/service"},
            'github.repository = "team/service" .* must go while provider = "off"',
        ),
        ({"security.github.repository": "team/*"}, r'github.repository = "team/\*" .* must be text such as'),
        ({"ecs.max_capacity": "many"}, 'ecs.max_capacity = "many" .* must be a whole number from 1 to 1000'),
        ({"alerts.emails": '["someone"]'}, "alerts.emails.0 = .someone.: must be text such as .team@exa"),
        ({"alerts.page_webhooks": '["http://example.com/x"]'}, "alerts.page_webhooks.0 .* such as .https://"),
        ({"alerts.emails": '["a@b.cc", "a@b.cc"]'}, "alerts.emails = .* must differ from each other"),
        ({"canary.url": "http://www.example.com/healthz"}, "canary.url = .* must begin with https://"),
        ({"cost.anomalies": "existing"}, "cost.anomaly_monitor_arn: is needed by anomalies"),
        (
            {"cost.anomaly_monitor_arn": "arn:aws:ce::333333333333:anomalymonitor/0-0"},
            "cost.anomaly_monitor_arn = .* must go unless anomalies",
        ),
        (
            {
                "network.interface_endpoints": '["ecs"]',
                "network.s3_prefix_lists": '{us-west-2 = "pl-68a54001"}',
            },
            "network.s3_prefix_lists = .* must have the list of us-east-1",
        ),
        (
            {"network.s3_prefix_lists.us-east-1": "63a5400a"},
            "s3_prefix_lists.us-east-1 = .* such as .pl-63a5400a",
        ),
        ({"network.cidr": "10.0.1.0/16"}, "network.cidr = .* must begin at .* first address .* 10.0.0.0/16"),
        ({"network.cidr": "999.1.1.1/16"}, "network.cidr = .* must be a range of IPv4 addresses"),
        ({"network.cidr": "10.0.0.0/33"}, "network.cidr = .* must be a range of IPv4 addresses"),
        (
            {"network.cidr": "10.0.0.0/24"},
            "network.cidr = .* must be from /16 to /23: .* load balancer",
        ),
        ({"network.cidr": "10.0.0.0/8"}, "network.cidr = .* must be from /16 to /23"),
        (
            {"network.cidr": "127.0.0.0/16"},
            "network.cidr = .* must not be of what a VPC cannot have",
        ),
        (
            {"network.cidr": "10.0.0.0/23", "ecs.max_capacity": "17"},
            'network.cidr = "10.0.0.0/23" .* leaves a private subnet 11 addresses; .* needs 12',
        ),
        ({"canary.url": "https://www..example.com/"}, "canary.url = .* must be an address of the web"),
        ({"canary.url": "https://www.example.com:99999/"}, "canary.url = .* must be .*: Port out of range"),
        ({"alerts.webhooks": '["https://a_b.example.com"]'}, "alerts.webhooks.0 = .* must be an address of"),
        (
            {"observability.runbooks": "https://-/"},
            "observability.runbooks = .* must be an address",
        ),
        (
            {"rotation.valkey_schedule": "cron(0 3 32 * ? *)"},
            "rotation.valkey_schedule = .* must have day of month from 1 to 31, not 32",
        ),
        (
            {"rotation.valkey_schedule": "cron(0 3 1 * 1 *)"},
            "rotation.valkey_schedule = .* must have . as day of month or as day of week",
        ),
        ({"ecs.writable_paths": '["/tmp", "/tmp"]'}, "writable_paths = .*/tmp.* must be there once"),
        ({"aurora.engine_version": "18.1"}, "aurora.engine_version = .18.1. .* such as"),
        ({"aurora.engine_version": "17"}, "aurora.engine_version = .17. .* such as"),
        ({"canary.runtime": "syn-nodejs-puppeteer-9.1"}, "canary.runtime = .syn-nodejs.* such as"),
        ({"ecs.writable_paths": '["/proc/x"]'}, "/proc/x is the kernel's"),
        ({"ecs.writable_paths": '["/a/../b"]'}, "ecs.writable_paths.0 = "),
        (
            {"rotation.database_schedule": "cron(0 3 30 2 ? *)"},
            "rotation.database_schedule = .* must come at least every 1000 days",
        ),
        ({"rotation.database_schedule": "cron(0 3 29 2 ? *)"}, "must come at least every 1000 days"),
        ({"rotation.database_schedule": "cron(0 3 1 * *)"}, "database_schedule = .* must have six fields"),
        ({"observability.runbooks": "http://example.com/"}, "observability.runbooks = .* such as .https://"),
    ],
)
def test_impossible_values_are_refused_with_the_reason(overrides: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        load_settings("prod", overrides=overrides)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schedule": "cron(0 24 * * ? *)"}, "must have hours from 0 to 23, not 24"),
        ({"schedule": "cron(0 7 ? * MON-FREE *)"}, "must have day of week from 1 to 7, not MON-FREE"),
        ({"schedule": "at(2030-02-30T18:00:00)"}, "must be a date and time such as"),
        ({"time_zone": "Europe/Atlantis"}, "must be the name of a time zone such as Europe/Berlin"),
    ],
)
def test_scheduled_scaling_is_at_times_that_there_are(change: dict[str, str], reason: str) -> None:
    action = {"schedule": "cron(0 7 ? * MON-FRI *)", "min_capacity": 3, "max_capacity": 6} | change
    with pytest.raises(
        SettingsError, match=f"ecs.scheduled_scaling.night.{next(iter(change))} = .* {reason}"
    ):
        load_settings("prod", overrides={"ecs.scheduled_scaling": {"night": action}})


def test_canary_cannot_ask_the_load_balancer_by_its_own_name_over_https() -> None:
    assert "canary.url: is needed" in failure("staging", canary__enabled="true")
    assert load_settings("dev", overrides={"canary.enabled": "true"}).canary.url is None


def test_https_is_needed_unless_http_is_allowed() -> None:
    with pytest.raises(
        SettingsError, match=r"load_balancer\.certificate_arn: is needed unless load_balancer\.allow_http"
    ):
        load_settings("sandbox", overrides={"load_balancer.allow_http": "false"})


@pytest.mark.parametrize(
    ("environment", "overrides", "reason"),
    [
        ("prod", {"recovery.region": "us-east-1"}, "must not be the region of the platform itself"),
        (
            "prod",
            {"recovery.region": "cn-north-1"},
            "recovery.region = .* must be a region of AWS's comm",
        ),
        (
            "dev",
            {"region": "us-gov-west-1"},
            "region = .us-gov-west-1. .* must be a region of AWS's comm",
        ),
        (
            "dev",
            {"region": "us-esat-1"},
            "region = .us-esat-1. .* must be a region of .*: af-south-1, .*us-west-2",
        ),
        ("dev", {"backup.enabled": "true"}, "recovery.region: is needed unless backup.copies = false"),
        ("dev", {"recovery.image_replication": "create"}, "recovery.region: is needed by"),
        (
            "prod-standby",
            {"aurora.restore_from_snapshot": "arn:aws:rds:us-east-1:333333333333:cluster-snapshot:1"},
            "aurora.restore_from_snapshot = .* must be in region us-west-2",
        ),
        (
            "prod-standby",
            {"aurora.restore_from_snapshot": "arn:aws:backup:us-west-2:333333333333:recovery-point:1"},
            "aurora.restore_from_snapshot = .* must be text such as",
        ),
    ],
)
def test_impossible_pairs_of_regions_are_refused(
    environment: str, overrides: dict[str, str], reason: str
) -> None:
    with pytest.raises(SettingsError, match=reason):
        load_settings(environment, overrides=overrides)


DOMAIN = {
    "domain.name": "tasks.example.com",
    "domain.hosted_zone_id": "Z0123456789ABCDEFGHIJ",
    "domain.hosted_zone_name": "example.com",
}
LISTENER = "arn:aws:globalaccelerator::{account}:accelerator/0a1b2c3d-0000/listener/abcdef12"


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"domain.name": "tasks.example.com"}, "domain.hosted_zone_id: is needed by name"),
        ({"domain.record": "false"}, "domain.record = false .* means nothing without name"),
        (
            DOMAIN | {"domain.record": "false", "canary.enabled": "true"},
            "canary.url: is needed without a record of domain.name",
        ),
        ({"domain.hosted_zone_name": "example.com"}, "domain.hosted_zone_name = .* means nothing without"),
        (DOMAIN | {"domain.name": "tasksexample.com"}, "domain.name = .* must be in hosted_zone_name"),
        (DOMAIN | {"domain.name": "Tasks"}, "domain.name = .* must be text"),
        ({"accelerator.mode": "existing"}, "accelerator.listener_arn: is needed by mode"),
        (
            {"accelerator.listener_arn": LISTENER.format(account="333333333333")},
            "listener_arn = .* needs mode",
        ),
        (
            {
                "accelerator.mode": "existing",
                "accelerator.listener_arn": LISTENER.format(account="999999999999"),
            },
            "must be a listener of account 333333333333",
        ),
        (
            {
                "accelerator.mode": "existing",
                "accelerator.listener_arn": LISTENER.format(account="333333333333"),
                "accelerator.traffic_dial_percent": "1",
            },
            "traffic_dial_percent = 1 .* must be 0 until aurora.restore_from_snapshot names the backup",
        ),
        ({"accelerator.traffic_dial_percent": "50"}, "traffic_dial_percent = 50 .* must go with mode"),
        (
            {"accelerator.mode": "create", "accelerator.traffic_dial_percent": "101"},
            "traffic_dial_percent = 101 .* must be a whole number from 0 to 100",
        ),
        ({"deployment.strategy": "canary"}, "alternate_target_group = false: must be true with strategy"),
        (
            {
                "deployment.strategy": "linear",
                "deployment.alternate_target_group": "true",
                "deployment.step_percent": "2",
            },
            "step_percent = 2 .* must be at least 3",
        ),
        (
            {
                "deployment.strategy": "linear",
                "deployment.alternate_target_group": "true",
                "deployment.step_minutes": "240",
            },
            "step_minutes = 240 .* a deployment of 2170 minutes, over 1980",
        ),
        (
            {
                "deployment.alternate_target_group": "true",
                "ecs.requests_per_target": "100",
            },
            "ecs.requests_per_target = 100 .* must go with deployment.alternate_target_group = true",
        ),
        (
            {"ecs.scheduled_scaling.night": '{schedule="cron(0 1 * * ? *)", min_capacity=3, max_capacity=2}'},
            "scheduled_scaling.night.min_capacity = 3: must not exceed max_capacity .2",
        ),
        (
            {"ecs.scheduled_scaling.night": '{schedule="daily", min_capacity=1, max_capacity=2}'},
            "scheduled_scaling.night.schedule = .* must be text such as",
        ),
        ({"ecs.spot_percent": "100"}, "ecs.spot_percent = 100 .* must be a whole number from 0 to 99"),
    ],
)
def test_ways_to_the_service_that_cannot_be_are_refused(overrides: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        load_settings("prod", overrides=overrides)


def test_name_in_its_zone_turns_https_on() -> None:
    overrides = {"load_balancer.allow_http": "false"}
    assert load_settings("sandbox", overrides=DOMAIN | overrides).listener_ports == (80, 443)
    apex = load_settings("sandbox", overrides=DOMAIN | {"domain.name": "example.com"})
    assert apex.https


def test_added_region_takes_no_traffic_until_a_setting_says_so() -> None:
    listener = {"accelerator.listener_arn": LISTENER.format(account="333333333333")}
    added = load_settings("prod", overrides=listener | {"accelerator.mode": "existing"})
    assert added.accelerator.traffic_dial == 0
    assert load_settings("prod", overrides={"accelerator.mode": "create"}).accelerator.traffic_dial == 100


def test_override_replaces_the_files_value() -> None:
    settings = load_settings("prod", overrides={"ecs.max_capacity": "20", "container_image": "repo:v2"})
    assert settings.ecs.max_capacity == 20
    assert settings.container_image == "repo:v2"


def test_region_comes_from_the_argument_then_the_variable_then_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings("dev").region == "us-east-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert load_settings("dev").availability_zones == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    assert load_settings("dev", region="eu-north-1").region == "eu-north-1"


def test_certificate_of_another_region_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert "must be a certificate of region eu-west-1 and account 333333333333" in failure()


@pytest.mark.parametrize(
    ("key", "value"),
    [("account", "123456789012"), ("name", "8ball"), ("ecs.environment.LIMIT", "12")],
)
def test_text_that_looks_like_a_number_stays_text(key: str, value: str) -> None:
    message = refusal({key: value}) or ""
    assert f"{key} = {value}" not in message


def test_overrides_may_be_nested_as_in_a_context_file() -> None:
    assert load_settings("dev", overrides={"ecs": {"max_capacity": 3}}).ecs.max_capacity == 3
    assert load_settings("dev", overrides={"ecs": {"max_capacity": 3}}).ecs.cpu == 256


def test_name_and_environment_fit_where_both_are_used() -> None:
    assert "of at most 20 characters" in failure(name="a" * 21)


def test_long_environment_name_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a-long-environment.toml").write_text((CONFIG_DIR / "dev.toml").read_text())
    with pytest.raises(SettingsError, match="over 32 characters"):
        load_settings("a-long-environment", overrides={"name": "a-very-long-name"}, config_dir=tmp_path)


def test_own_variables_are_added_to_those_of_the_contract() -> None:
    overrides = {"ecs.environment.FEATURE_X": "on", "ecs.environment.LIMIT": "12"}
    assert load_settings("prod", overrides=overrides).ecs.environment == {"FEATURE_X": "on", "LIMIT": "12"}
    with pytest.raises(
        SettingsError, match=r"environment\.DATABASE_SECRET = .* the service contract sets it"
    ):
        load_settings("prod", overrides={"ecs.environment.DATABASE_SECRET": "mine"})


def test_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text("account = ")
    with pytest.raises(SettingsError, match=r"odd\.toml is not TOML"):
        load_settings("odd", config_dir=tmp_path)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("@aws-cdk/core:newStyleStackSynthesis", False),
        ("aws:cdk:bundling-stacks", False),
        ("availability-zones:account=1:region=x", False),
        ("acknowledged-issue-numbers", False),
        ("environment", False),
        ("ecs.max_capacity", True),
        ("Ecs.max_capacity", True),
        ("ecs.max-capacity", True),
    ],
)
def test_whatever_is_not_the_cdks_is_taken_for_a_setting(key: str, *, expected: bool) -> None:
    assert is_settings_key(key) is expected


@pytest.mark.parametrize(
    ("schema", "model", "remedy"),
    [
        ("settings", Settings, "python -m stacks.settings > config/settings.schema.json"),
        ("pipeline", PipelineSettings, "python -m stacks.settings --pipeline > config/pipeline.schema.json"),
    ],
)
def test_schemas_for_editors_are_up_to_date(schema: str, model: type[SettingsModel], remedy: str) -> None:
    assert (CONFIG_DIR / f"{schema}.schema.json").read_text() == json_schema(model), f"run `{remedy}`"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_files_name_their_schema(environment: str) -> None:
    assert (CONFIG_DIR / f"{environment}.toml").read_text().startswith("#:schema settings.schema.json\n")


@given(low=st.integers(-5, 1100), high=st.integers(-5, 1100))
def test_capacities_are_accepted_exactly_when_they_are_ordered_and_possible(low: int, high: int) -> None:
    message = refusal({"ecs.min_capacity": low, "ecs.max_capacity": high})
    assert (message is None) == (1 <= low <= high <= 1000)
    assert message is None or "capacity" in message


@given(key=st.from_regex(r"[a-z_]{1,12}(\.[a-z_]{1,12})?", fullmatch=True), value=st.text(max_size=12))
def test_any_override_is_either_used_or_refused_in_words(key: str, value: str) -> None:
    message = refusal({key: value})
    assert message is None or key.split(".", maxsplit=1)[0] in message


def refused_file(folder: Path, content: bytes) -> str:
    (folder / "mine.toml").write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        load_settings("mine", config_dir=folder, environ={})
    return str(raised.value)


def test_file_that_is_not_text_is_refused_with_the_place(tmp_path: Path) -> None:
    latin = "region = 'Zürich'".encode("latin-1")
    assert refused_file(tmp_path, latin).endswith(
        "mine.toml is not UTF-8: byte 0xfc at position 11; save it as UTF-8"
    )
    assert "mine.toml is not TOML: " in refused_file(tmp_path, b"region = 'a\0b'")
    assert "mine.toml is not TOML: " in refused_file(tmp_path, b"a = " + b"[" * 5000)
    assert "Cannot overwrite a value" in refused_file(tmp_path, b"a = 1\na = 2")
    assert "account: is missing" in refused_file(tmp_path, b"")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SettingsError, match=r"folder\.toml cannot be read: Is a directory"):
        load_settings("folder", config_dir=tmp_path)


def test_byte_order_mark_is_no_part_of_the_settings(tmp_path: Path) -> None:
    shipped = (CONFIG_DIR / "dev.toml").read_bytes()
    (tmp_path / "dev.toml").write_bytes(b"\xef\xbb\xbf" + shipped.replace(b"\n", b"\r\n"))
    assert load_settings("dev", config_dir=tmp_path) == load_settings("dev")


def test_number_that_cannot_be_written_is_refused_like_others(tmp_path: Path) -> None:
    assert "account = (a number of thousands of digits): must be" in refused_file(
        tmp_path, b"account = 0x" + b"f" * 5000
    )
