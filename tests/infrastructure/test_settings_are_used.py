"""A setting that nothing reads is a promise that nothing keeps."""

from stacks.settings import keys
from stacks.settings.environment import Settings
from stacks.settings.model import SettingsModel
from tests.infrastructure.synthesis import Synthesiser
from tests.infrastructure.variants import DOMAIN, MADE, SWITCHED_ON

# Permissions, which validation asks for and nothing builds on.
ONLY_VALIDATED = {"load_balancer.allow_http"}


def field_of(key: str) -> tuple[type[SettingsModel], str]:
    model: type[SettingsModel] = Settings
    *sections, name = key.split(".")
    for section in sections:
        annotation = model.model_fields[section].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, SettingsModel)
        model = annotation
    return model, name


def test_synthesis_reads_every_setting(synthesise: Synthesiser) -> None:
    # Some are read only together with others.
    combined = (*SWITCHED_ON, ("prod-standby", {}), ("prod", MADE["existing"]))
    made = [*(synthesise(*each) for each in combined), synthesise.having("sandbox", DOMAIN)]
    read = {field for each in made for field in each.read}
    assert {key for key in keys() if field_of(key) not in read} == ONLY_VALIDATED
