"""All settings of one environment."""

import math
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from stacks.settings.compute import DeploymentSettings, EcsSettings
from stacks.settings.data import AuroraSettings, ValkeySettings
from stacks.settings.firewall import FirewallSettings
from stacks.settings.images import IMAGE, EcrRepository, ecr_repository
from stacks.settings.ingress import AcceleratorSettings, DomainSettings, LoadBalancerSettings
from stacks.settings.model import Lasting, Problem, SettingsModel
from stacks.settings.network import NetworkSettings
from stacks.settings.observability import AlertSettings, CanarySettings, CostSettings, ObservabilitySettings
from stacks.settings.recovery import BackupSettings, RecoverySettings
from stacks.settings.regions import LACKING, commercial_region, zone_id_prefix
from stacks.settings.security import RotationSettings, SecuritySettings
from stacks.settings.state import StateSettings
from stacks.settings.values import ACCOUNT, NAME, NAME_LIMIT, REGION, addresses_of_subnet

LAYERS = ("state", "network", "data", "compute", "security", "observability")
# Where AWS has what belongs to no region, such as root's sign-in events and budgets.
GLOBAL_REGION = "us-east-1"
# Addresses of a private subnet that functions and interface endpoints may take.
_KEPT_ADDRESSES = 16
_ELSEWHERE = Lasting("Another value is another environment; what is deployed stays as it is.")


class Settings(SettingsModel):
    """Everything that differs between environments."""

    name: Annotated[str, _ELSEWHERE] = Field(
        "gantry", pattern=NAME, max_length=20, description="Begins every name.", examples=["gantry"]
    )
    environment: Annotated[str, _ELSEWHERE] = Field(
        pattern=NAME, max_length=20, description="Names the file.", examples=["prod"]
    )
    account: Annotated[str, _ELSEWHERE] = Field(
        pattern=ACCOUNT, description="Id of the AWS account.", examples=["123456789012"]
    )
    region: Annotated[str, AfterValidator(commercial_region), _ELSEWHERE] = Field(
        pattern=REGION, description="AWS region, of the commercial partition.", examples=["us-east-1"]
    )
    container_image: str | None = Field(
        None,
        pattern=IMAGE,
        description="Image to run, with tag, digest or both; by default it is built from service/.",
        examples=["123456789012.dkr.ecr.us-east-1.amazonaws.com/gantry/prod:v1.2.3"],
    )
    state: StateSettings = StateSettings()
    network: NetworkSettings = NetworkSettings()
    aurora: AuroraSettings = AuroraSettings()
    valkey: ValkeySettings = ValkeySettings()
    backup: BackupSettings = BackupSettings()
    recovery: RecoverySettings = RecoverySettings()
    ecs: EcsSettings = EcsSettings()
    deployment: DeploymentSettings = DeploymentSettings()
    load_balancer: LoadBalancerSettings = LoadBalancerSettings()
    firewall: FirewallSettings = FirewallSettings()
    domain: DomainSettings = DomainSettings()
    accelerator: AcceleratorSettings = AcceleratorSettings()
    security: SecuritySettings = SecuritySettings()
    rotation: RotationSettings = RotationSettings()
    observability: ObservabilitySettings = ObservabilitySettings()
    alerts: AlertSettings = AlertSettings()
    canary: CanarySettings = CanarySettings()
    cost: CostSettings = CostSettings()

    def _problems(self) -> Iterator[Problem]:
        yield from self._naming_problems()
        yield from self._region_problems()
        yield from self._registry_problems()
        yield from self._zone_problems()
        yield from self._prefix_list_problems()
        yield from self._address_problems()
        yield from self._https_problems()
        yield from self._deployment_problems()
        yield from self._accelerator_problems()
        yield from self._pausing_problems()
        yield from self._backup_problems()
        yield from self._recovery_problems()
        yield from self._canary_problems()

    def _naming_problems(self) -> Iterator[Problem]:
        if len(self.full_name) > NAME_LIMIT:
            yield Problem(
                "name", self.name, f"and environment make {self.full_name}, over {NAME_LIMIT} characters"
            )

    def _region_problems(self) -> Iterator[Problem]:
        switches = {
            "aurora.proxy": (self.aurora.proxy, "AWS::RDS::DBProxy"),
            "backup.restore_tests": (self.backup.tests_restores, "AWS::Backup::RestoreTestingPlan"),
        }
        for key, (on, resource_type) in switches.items():
            if on and resource_type in LACKING[self.region]:
                allowed = f"must be false in {self.region}, where CloudFormation has no {resource_type}"
                yield Problem(key, on, allowed)

    def _registry_problems(self) -> Iterator[Problem]:
        secret = self.ecs.registry_secret_arn
        if secret is not None and self.container_image is None:
            allowed = "must go while container_image is not set: the image that is built lies in ECR"
            yield Problem("ecs.registry_secret_arn", secret, allowed)
        if secret is not None and self.ecr_repository is not None:
            allowed = f"must go with {self.container_image}: ECR asks for permissions, not for credentials"
            yield Problem("ecs.registry_secret_arn", secret, allowed)
        if secret is not None and secret.split(":")[3] != self.region:
            yield Problem("ecs.registry_secret_arn", secret, f"must be a secret of region {self.region}")
        key = self.ecs.registry_secret_key_arn
        if key is not None and key.split(":")[3] != self.region:
            yield Problem("ecs.registry_secret_key_arn", key, f"must be a key of region {self.region}")

    def _zone_problems(self) -> Iterator[Problem]:
        prefix = zone_id_prefix(self.region)
        if any(len(zone) > 1 and not zone.startswith(prefix) for zone in self.network.zones):
            allowed = f"must be ids of zones of {self.region}, such as {prefix}1"
            yield Problem("network.zones", self.network.zones, allowed)

    def _prefix_list_problems(self) -> Iterator[Problem]:
        lists = self.network.s3_prefix_lists
        if lists and self.region not in lists:
            yield Problem("network.s3_prefix_lists", lists, f"must have the list of {self.region}")

    def _address_problems(self) -> Iterator[Problem]:
        tasks = math.ceil(2 * self.ecs.max_capacity / len(self.network.zones))
        room = addresses_of_subnet(self.network.cidr) - _KEPT_ADDRESSES
        if tasks > room:
            allowed = (
                f"leaves a private subnet {room} addresses; a deployment at ecs.max_capacity needs {tasks}"
            )
            yield Problem("network.cidr", self.network.cidr, allowed)

    def _https_problems(self) -> Iterator[Problem]:
        balancer = self.load_balancer
        arn = balancer.certificate_arn
        if not self.https and not balancer.allow_http:
            allowed = "is needed unless load_balancer.allow_http = true or domain.name is set"
            yield Problem("load_balancer.certificate_arn", None, allowed)
        if self.environment == "prod" and balancer.allow_http:
            allowed = "must be false in prod: set load_balancer.certificate_arn or domain.name"
            yield Problem("load_balancer.allow_http", True, allowed)
        if balancer.certificate_place() not in (None, (self.region, self.account)):
            allowed = f"must be a certificate of region {self.region} and account {self.account}"
            yield Problem("load_balancer.certificate_arn", arn, allowed)

    def _deployment_problems(self) -> Iterator[Problem]:
        if self.ecs.requests_per_target is not None and self.deployment.alternate_target_group:
            # The metric is of one target group, and the other may serve, also when deployments roll again.
            allowed = "must go with deployment.alternate_target_group = true: CPU alone scales then"
            yield Problem("ecs.requests_per_target", self.ecs.requests_per_target, allowed)

    def _accelerator_problems(self) -> Iterator[Problem]:
        if self.accelerator.listener_account() not in (None, self.account):
            allowed = f"must be a listener of account {self.account}"
            yield Problem("accelerator.listener_arn", self.accelerator.listener_arn, allowed)
        joins_with_traffic = self.accelerator.mode == "existing" and self.accelerator.traffic_dial > 0
        if joins_with_traffic and self.aurora.restore_from_snapshot is None:
            yield Problem(
                "accelerator.traffic_dial_percent",
                self.accelerator.traffic_dial,
                "must be 0 until aurora.restore_from_snapshot names the backup that this region's database "
                "began as: a database without the data must get no traffic",
            )

    def _pausing_problems(self) -> Iterator[Problem]:
        if self.aurora.min_capacity == 0 and self.ecs.database_pool_min > 0:
            yield Problem(
                "ecs.database_pool_min",
                self.ecs.database_pool_min,
                "must be 0 when aurora.min_capacity is 0: a connection keeps the cluster from pausing",
            )

    def _backup_problems(self) -> Iterator[Problem]:
        if self.backup.enabled and self.backup.vault_lock == "compliance" and not self.keeps_data:
            yield Problem(
                "backup.vault_lock",
                "compliance",
                'needs state.retention = "retain": what no one may delete does not go with its stack',
            )

    def _recovery_problems(self) -> Iterator[Problem]:
        region = self.recovery.region
        if region == self.region:
            yield Problem("recovery.region", region, "must not be the region of the platform itself")
        if self.aurora.snapshot_region() not in (None, self.region):
            snapshot = self.aurora.restore_from_snapshot
            yield Problem("aurora.restore_from_snapshot", snapshot, f"must be in region {self.region}")
        if region is None and self.backup.enabled and self.backup.copies:
            yield Problem("recovery.region", None, "is needed unless backup.copies = false")
        if region is None and self.recovery.image_replication == "create":
            yield Problem("recovery.region", None, 'is needed by recovery.image_replication = "create"')

    def _canary_problems(self) -> Iterator[Problem]:
        url = self.canary.url
        if self.canary.enabled and url is None and self.https and not self.domain.resolves_here:
            allowed = (
                "is needed without a record of domain.name: no certificate is for the load balancer's name"
            )
            yield Problem("canary.url", None, allowed)
        if url is not None and url.startswith("http:") and not self.load_balancer.allow_http:
            yield Problem(
                "canary.url", url, "must begin with https:// unless load_balancer.allow_http = true"
            )

    @property
    def full_name(self) -> str:
        """Name of what there is one of in an environment."""
        return f"{self.name}-{self.environment}"

    def stack_name(self, layer: str) -> str:
        """Return the name of a layer's stack, the same wherever the stack is made from."""
        return f"{self.full_name}-{layer}"

    @property
    def https(self) -> bool:
        """Whether the load balancer serves HTTPS."""
        return self.load_balancer.certificate_arn is not None or self.domain.name is not None

    @property
    def listener_ports(self) -> tuple[int, ...]:
        """Ports that the load balancer listens on."""
        return (80, 443) if self.https else (80,)

    @property
    def keeps_data(self) -> bool:
        """Whether stateful resources outlive their stack and are protected from deletion."""
        return self.state.retention == "retain"

    @property
    def forwards_global_events(self) -> bool:
        """Whether what AWS reports in another region alone is sent to the platform's."""
        return (
            self.region != GLOBAL_REGION
            and self.security.global_events == "create"
            and self.security.trail != "off"
        )

    @property
    def has_global_stack(self) -> bool:
        """Whether there is anything in the region of what AWS has in one region alone."""
        return self.forwards_global_events or self.cost.watched

    @property
    def has_recovery_stack(self) -> bool:
        """Whether there is anything in the second region."""
        return self.recovery.region is not None and self.backup.enabled and self.backup.copies

    @property
    def places(self) -> dict[str, str]:
        """The region of every stack that the environment has, by its layer."""
        found = dict.fromkeys(LAYERS, self.region)
        if self.recovery.region is not None and self.has_recovery_stack:
            found["recovery"] = self.recovery.region
        if self.has_global_stack:
            found["global"] = GLOBAL_REGION
        return found

    @property
    def regions(self) -> list[str]:
        """Every region in which the environment has a stack."""
        return list(dict.fromkeys(self.places.values()))

    @property
    def availability_zones(self) -> list[str]:
        """Names or ids of the zones, given rather than looked up."""
        return [f"{self.region}{zone}" if len(zone) == 1 else zone for zone in self.network.zones]

    @property
    def prefix(self) -> str:
        """Path under which the environment's secrets and images are named."""
        return f"{self.name}/{self.environment}"

    @property
    def log_group_prefix(self) -> str:
        """How the names of the platform's own log groups begin."""
        return f"/{self.prefix}/"

    def runbook(self, page: str) -> str:
        """Return where a page of docs/, or a section of one, is read."""
        return f"{self.observability.runbooks}{page}"

    @property
    def ecr_repository(self) -> EcrRepository | None:
        """Repository of Amazon ECR that the named image is in."""
        return None if self.container_image is None else ecr_repository(self.container_image)


def keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Yield the dotted key of every setting."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
