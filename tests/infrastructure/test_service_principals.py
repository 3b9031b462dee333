"""What services are let do, under no condition that AWS does not say they fulfil."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.assembly import Assembly, read
from tests.infrastructure.synthesis import Synthesiser, as_list
from tests.infrastructure.test_iam_policies import COMBINATIONS, name_of, statements_of

TABLE: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("service_principals.toml").read_text())[
    "principal"
]
DOCUMENTED = {(each["name"], each["policy"]): set(each["keys"]) for each in TABLE}
# Log deliveries that no environment has switched on.
VARIANTS: list[tuple[str, dict[str, object]] | None] = [
    *COMBINATIONS,
    ("prod", {"accelerator.mode": "create"}),
    None,
]


@pytest.fixture(params=VARIANTS, ids=name_of)
def assembly(request: pytest.FixtureRequest, synthesise: Synthesiser) -> Assembly:
    return assembly_of(request.param, synthesise)


def assembly_of(variant: tuple[str, dict[str, object]] | None, synthesise: Synthesiser) -> Assembly:
    if variant is None:
        return read(synthesise.pipeline(), environment="pipeline")
    return synthesise(*variant).assembly


def conditioned(assembly: Assembly) -> Iterator[tuple[str, str, set[str], str]]:
    """Yield service, kind of policy, condition keys and place of what a service may do conditionally."""
    for statement in statements_of(assembly):
        services = statement.body.get("Principal", {})
        keys = {key for keys in statement.body.get("Condition", {}).values() for key in keys}
        if keys and isinstance(services, dict):
            for service in as_list(services.get("Service", [])):
                yield _anywhere(str(service)), statement.resource.type, keys, statement.where
    for each in assembly.resources:
        if each.type == "AWS::Lambda::Permission":
            keys = {"SourceAccount", "SourceArn"} & set(each.properties)
            yield each.get("Principal"), each.type, keys, f"{each.stack}/{each.path}"


def _anywhere(service: str) -> str:
    return re.sub(r"^logs\.[a-z0-9-]+\.", "logs.<region>.", service)


def test_services_fulfil_the_conditions_under_which_they_may_act(assembly: Assembly) -> None:
    for service, policy, keys, where in conditioned(assembly):
        unknown = keys - DOCUMENTED.get((service, policy), set())
        assert not unknown, f"{where}: AWS does not say that {service} sends {sorted(unknown)}"


def test_every_line_is_of_use_and_names_its_source(synthesise: Synthesiser) -> None:
    used = {
        (service, policy)
        for variant in VARIANTS
        for service, policy, _, _ in conditioned(assembly_of(variant, synthesise))
    }
    assert set(DOCUMENTED) == used
    assert len(DOCUMENTED) == len(TABLE)
    assert all(each["source"] for each in TABLE)
