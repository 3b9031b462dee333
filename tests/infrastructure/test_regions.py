"""Every region gets what CloudFormation has there, and nothing of another one."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import botocore.session
import pytest
from cfnlint.helpers import REGIONS  # type: ignore[import-untyped]  # has no annotations
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]

from ops.assembly import Assembly, read
from stacks.settings import SettingsError, load_pipeline, load_settings
from stacks.settings.regions import LACKING, zone_id_prefix
from tests.infrastructure.synthesis import Synthesiser
from tests.infrastructure.variants import SWITCHED_ON

# How to do without what a region lacks.
SWITCHES = {"AWS::Backup::RestoreTestingPlan": "backup.restore_tests", "AWS::RDS::DBProxy": "aurora.proxy"}
BUILDS = "AWS::CodeBuild::Project"
# A region without budgets, one without a proxy, without restore tests, with two zones, and of an old kind.
EVERY_DAY = {
    ("prod", "eu-north-1"),
    ("prod", "ap-east-2"),
    ("prod", "ap-southeast-5"),
    ("prod-standby", "us-west-1"),
    ("pipeline", "eu-west-1"),
}
CASES = [
    pytest.param(environment, region, marks=() if (environment, region) in EVERY_DAY else pytest.mark.long)
    for environment in ("prod", "prod-standby", "pipeline")
    for region in LACKING
    if environment != "pipeline" or BUILDS not in LACKING[region]
]


def everything_in(environment: str, region: str) -> dict[str, object]:
    """Return settings that switch on all that a test of prod does, in a region."""
    (_, switched_on), _ = SWITCHED_ON
    found: dict[str, object] = json.loads(json.dumps(switched_on).replace("us-east-1", region))
    account = load_settings(environment).account
    found |= {
        "region": region,
        "network.zones": ["a", "b"],
        "network.nat_gateways": 2,
        "load_balancer.certificate_arn": f"arn:aws:acm:{region}:{account}:certificate/0",
        "recovery.region": "us-west-2" if region != "us-west-2" else "us-east-1",
    }
    return found


def without_what_is_lacking(overrides: Mapping[str, object], region: str) -> dict[str, object]:
    switches = {key: False for lacking, key in SWITCHES.items() if lacking in LACKING[region]}
    return {**overrides, **switches}


def missing(assembly: Assembly) -> Iterator[str]:
    for stack in assembly.stacks:
        there_are = PROVIDER_SCHEMA_MANAGER.get_resource_types(stack.region)
        for resource in stack.resources:
            if not resource.type.startswith("Custom::") and resource.type not in there_are:
                yield f"{stack.region} has no {resource.type}: {stack.layer} {resource.path}"


def regions_named(assembly: Assembly) -> set[str]:
    texts = [file.read_text() for file in assembly.directory.glob("*.template.json")]
    return {name for text in texts for name in re.findall(rf"\b({'|'.join(REGIONS)})[a-f]?\b", text)}


@pytest.mark.parametrize(("environment", "region"), CASES)
def test_region_has_all_that_is_made_there(environment: str, region: str, synthesise: Synthesiser) -> None:
    if environment == "pipeline":
        # The stage with the most regions; what is in a stage is in none of the pipeline's own stacks.
        directory: Path = synthesise.pipeline({"region": region, "stages": '["prod"]'})
        assembly = read(directory, environment=environment)
        places = {region, *load_settings("prod").regions}
    else:
        overrides = without_what_is_lacking(everything_in(environment, region), region)
        platform = synthesise(environment, overrides)
        assembly, places = platform.assembly, {*platform.settings.regions}
    assert list(missing(assembly)) == []
    assert regions_named(assembly) <= places


def test_zone_ids_distinguish_regions() -> None:
    prefixes = {region: zone_id_prefix(region) for region in LACKING}
    assert len({*prefixes.values()}) == len(LACKING)
    assert (prefixes["ap-southeast-2"], prefixes["us-east-1"]) == ("apse2-az", "use1-az")


def test_data_on_regions_are_those_of_cfn_lint() -> None:
    session = botocore.session.Session()
    commercial = sorted(name for name in REGIONS if session.get_partition_for_region(name) == "aws")
    types = {each for lacking in LACKING.values() for each in lacking} | {*SWITCHES, BUILDS}
    assert {
        region: sorted(types - set(PROVIDER_SCHEMA_MANAGER.get_resource_types(region)))
        for region in commercial
    } == LACKING


@pytest.mark.parametrize("region", [region for region in LACKING if set(LACKING[region]) & SWITCHES.keys()])
def test_what_a_region_lacks_is_refused_with_its_setting(region: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings("prod", overrides=everything_in("prod", region))
    lacking = [each for each in LACKING[region] if each in SWITCHES]
    for line, each in zip(str(refused.value).splitlines()[1:], lacking, strict=True):
        assert line.startswith(f"  {SWITCHES[each]} = true")
        assert line.endswith(f": must be false in {region}, where CloudFormation has no {each}")


@pytest.mark.parametrize("region", [region for region in LACKING if BUILDS in LACKING[region]])
def test_pipeline_is_refused_where_nothing_builds(region: str) -> None:
    with pytest.raises(SettingsError, match=f'region = "{region}" .* must be one where .* has {BUILDS}'):
        load_pipeline("pipeline", overrides={"region": region})
