"""What the stacks of all layers have in common."""

from collections.abc import Mapping

from aws_cdk import Environment, RemovalPolicy, Stack, Tags
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from contract.secrets import RotatingSecret
from gantry.monitoring.log_groups import LogDefaults
from gantry.secrets.secret import PlatformSecret
from stacks.never_deployed import refuse_when_shown
from stacks.settings import PipelineSettings, Settings

_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    5: logs.RetentionDays.FIVE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
    1827: logs.RetentionDays.FIVE_YEARS,
    3653: logs.RetentionDays.TEN_YEARS,
}


class LayerStack(Stack):
    """A layer's stack: explicit name, concrete place, zones from settings, protection where data is kept.

    The name is explicit because the same layer inside a pipeline's Stage would otherwise be another stack,
    and moving to the pipeline would make a second database.
    """

    def __init__(
        self,
        scope: Construct,
        layer: str,
        *,
        settings: Settings,
        description: str,
        region: str | None = None,
    ) -> None:
        self._zones = settings.availability_zones
        super().__init__(
            scope,
            layer.capitalize(),
            stack_name=settings.stack_name(layer),
            env=Environment(account=settings.account, region=region or settings.region),
            description=description,
            termination_protection=settings.keeps_data,
        )
        tag(self, settings)
        Tags.of(self).add("layer", layer)
        refuse_when_shown(self)

    @property
    def availability_zones(self) -> list[str]:
        """The zones that settings name: asking AWS would tie the synthesis to an account."""
        return self._zones


def tag(stack: Stack, settings: Settings | PipelineSettings) -> None:
    """Tag a stack, and so what is in it, with what it belongs to."""
    Tags.of(stack).add("application", settings.name)
    Tags.of(stack).add("environment", settings.environment)


def stack_arns(scope: Stack, settings: Settings) -> list[str]:
    """Return the ARNs of an environment's stacks, with a wildcard for CloudFormation's id."""
    return [
        scope.format_arn(
            service="cloudformation",
            region=region,
            resource="stack",
            resource_name=f"{settings.stack_name(layer)}/*",
        )
        for layer, region in settings.places.items()
    ]


def removal_policy(settings: Settings) -> RemovalPolicy:
    """Return what becomes of stateful resources when their stack is deleted.

    A creation that is rolled back deletes them all the same: they hold nothing yet, and their names would be
    taken when the stack is deployed again (docs/decisions/0036-retained-unless-never-used.md).
    """
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if settings.keeps_data else RemovalPolicy.DESTROY


def undeletable_policy(settings: Settings) -> RemovalPolicy:
    """Return what becomes of resources that AWS may refuse to delete, even when they have just been created.

    CloudFormation does not try: a rollback that cannot delete something ends in ROLLBACK_FAILED.
    """
    return RemovalPolicy.RETAIN if settings.keeps_data else RemovalPolicy.DESTROY


def log_defaults(scope: Construct, *, settings: Settings, key: kms.IKey) -> LogDefaults:
    """Return what the log groups of a layer have in common."""
    return LogDefaults(
        prefix=settings.log_group_prefix,
        key=imported_key(scope, "LogsKey", key),
        retention=retention(settings.state.log_retention_days),
    )


def retention(days: int) -> logs.RetentionDays:
    """Return days as the log group construct takes them."""
    return _RETENTION[days]


def imported_key(scope: Construct, construct_id: str, key: kms.IKey) -> kms.IKey:
    """Return another layer's key by its ARN, so that using it never writes into that layer's key policy.

    A reader of what the key encrypts must be granted the key explicitly: an imported key grants nothing.
    """
    return kms.Key.from_key_arn(scope, construct_id, key.key_arn)


def rotating_secrets(
    scope: Construct, layer: str, *, settings: Settings, key: kms.IKey
) -> dict[RotatingSecret, PlatformSecret]:
    """Make the rotating secrets of a layer, as the contract describes them."""
    return {
        secret: platform_secret(
            scope,
            f"{secret.word}Secret",
            secret,
            settings=settings,
            key=key,
            description=secret.facts.description,
            generated_field=secret.facts.generated_field,
            fields=secret.facts.fields,
            length=secret.facts.length,
        )
        for secret in RotatingSecret
        if secret.facts.layer == layer
    }


def platform_secret(
    scope: Construct,
    construct_id: str,
    name: str,
    *,
    settings: Settings,
    key: kms.IKey,
    fields: Mapping[str, str],
    description: str | None = None,
    generated_field: str = "password",
    length: int = 48,
    unrotated: str | None = None,
    kept: bool = True,
) -> PlatformSecret:
    """Make a secret of the environment.

    Parameters
    ----------
    name
        The end of its name, which begins with the environment's prefix.
    description
        What it is; by default what it is called.
    kept
        Whether it may outlive its stack.
    """
    return PlatformSecret(
        scope,
        construct_id,
        name=f"{settings.prefix}/{name}",
        description=f"{settings.prefix}: {description or name}",
        key=key,
        generated_field=generated_field,
        fields=fields,
        length=length,
        removal_policy=removal_policy(settings) if kept else RemovalPolicy.DESTROY,
        unrotated=unrotated,
    )
