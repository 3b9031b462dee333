"""What an account must have and be before anything is deployed to it."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from ops.checks.context import Deployment
from ops.checks.results import Result, failed, ok, unknown
from stacks.settings import GLOBAL_REGION, SettingsError, refuse_placeholders

_ON = frozenset({"opt-in-not-required", "opted-in"})
_BACKED_UP = "Aurora"


def settings(context: Deployment) -> Iterator[Result]:
    """Yield whether the settings still hold an example value."""
    try:
        refuse_placeholders(context.settings)
    except SettingsError as error:
        yield failed("settings", str(error), "docs/first-deployment.md, `Fill in the settings`")
    else:
        yield ok("settings", f"config/{context.settings.environment}.toml holds no placeholder.")


def regions(context: Deployment) -> Iterator[Result]:
    """Yield whether the account may use each region; one that is new is off until it is switched on."""
    names = context.settings.regions
    answer = context.client("ec2", GLOBAL_REGION).describe_regions(RegionNames=names, AllRegions=True)
    states = {each["RegionName"]: each["OptInStatus"] for each in answer["Regions"]}
    evidence = ", ".join(f"{name} is {states.get(name, 'not listed')}" for name in names) + "."
    off = [name for name in names if states.get(name) not in _ON]
    if off:
        commands = ", ".join(f"`aws account enable-region --region-name {name}`" for name in off)
        yield failed("regions", evidence, f"{commands}; it takes up to a day.")
    else:
        yield ok("regions", evidence)


def bootstrap(context: Deployment) -> Iterator[Result]:
    """Yield whether each region's bootstrap stack is as new as the assembly needs."""
    needed: dict[tuple[str, str], int] = {}
    for stack in context.assembly.stacks:
        key = (stack.region, stack.bootstrap_parameter)
        needed[key] = max(needed.get(key, 0), stack.bootstrap_version)
    remedy = f"`./gantry cdk bootstrap -c environment={context.settings.environment}`"
    for (region, parameter), version in needed.items():
        name = f"bootstrap {region}"
        try:
            answer = context.client("ssm", region).get_parameter(Name=parameter)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            yield failed(name, f"{region} is not bootstrapped: it has no parameter {parameter}.", remedy)
            continue
        found = int(answer["Parameter"]["Value"])
        evidence = f"The bootstrap stack has version {found}; {version} is needed."
        yield ok(name, evidence) if found >= version else failed(name, evidence, remedy)


def backup_opt_in(context: Deployment) -> Iterator[Result]:
    """Yield whether AWS Backup may handle Aurora in each region that has a vault."""
    settings = context.settings
    if not settings.backup.enabled:
        return
    for region in dict.fromkeys((settings.region, settings.places.get("recovery", settings.region))):
        answer = context.client("backup", region).describe_region_settings()
        chosen = answer.get("ResourceTypeOptInPreference", {}).get(_BACKED_UP)
        name = f"backup {region}"
        if chosen:
            yield ok(name, f"AWS Backup may handle {_BACKED_UP} in {region}.")
        elif chosen is None:
            yield unknown(name, f"AWS Backup says nothing of {_BACKED_UP} in {region}.")
        else:
            yield failed(
                name,
                f"AWS Backup may not handle {_BACKED_UP} in {region}: it would back nothing up.",
                "`aws backup update-region-settings --resource-type-opt-in-preference "
                f"{_BACKED_UP}=true --region {region}`",
            )
