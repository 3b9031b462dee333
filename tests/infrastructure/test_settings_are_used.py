"""A setting that nothing reads is a promise that nothing keeps."""

import pytest

from stacks.settings import keys, load_settings
from stacks.settings.environment import Settings
from stacks.settings.model import SettingsModel
from tests.infrastructure.synthesis import Synthesiser
from tests.infrastructure.variants import SWITCHED_ON

# Permissions, which validation asks for and nothing builds on.
ONLY_VALIDATED = {"load_balancer.allow_http"}

# Read only together with others, which no test elsewhere needs together.
MORE: dict[str, object] = {
    "cost.anomalies": "existing",
    "cost.anomaly_monitor_arn": "arn:aws:ce::333333333333:anomalymonitor/0",
    "domain.name": "tasks.example.com",
    "domain.hosted_zone_id": "Z0123456789ABCDEFGHIJ",
    "domain.hosted_zone_name": "example.com",
}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[tuple[type[SettingsModel], str]]:
    """Collect which fields of which models are read from here on."""
    collected: set[tuple[type[SettingsModel], str]] = set()

    def recording(self: SettingsModel, name: str) -> object:
        collected.add((type(self), name))
        return object.__getattribute__(self, name)

    monkeypatch.setattr(SettingsModel, "__getattribute__", recording)
    return collected


def field_of(key: str) -> tuple[type[SettingsModel], str]:
    model: type[SettingsModel] = Settings
    *sections, name = key.split(".")
    for section in sections:
        annotation = model.model_fields[section].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, SettingsModel)
        model = annotation
    return model, name


def test_synthesis_reads_every_setting(
    read: set[tuple[type[SettingsModel], str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    fresh = Synthesiser(tmp_path_factory.mktemp("read"))
    loaded = [
        load_settings(environment, overrides=overrides)
        for environment, overrides in (*SWITCHED_ON, ("prod-standby", {}), ("prod", MORE))
    ]
    read.clear()  # validation reads values, too
    for settings in loaded:
        fresh.of(settings)
    assert {key for key in keys() if field_of(key) not in read} == ONLY_VALIDATED
