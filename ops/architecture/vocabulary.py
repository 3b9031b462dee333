"""What the resource types are called on the map, and what there is to say of one."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ops.assembly import Resource


class Kind(StrEnum):
    """What a resource is for; each has its colour."""

    NETWORK = "network"
    COMPUTE = "compute"
    DATA = "data"
    SECURITY = "security"
    OPERATIONS = "operations"


@dataclass(frozen=True)
class Term:
    """A type's name on the map."""

    noun: str
    kind: Kind
    plural: str = ""

    def counted(self, count: int) -> str:
        """Return the noun, with its number when there are several."""
        return self.noun if count == 1 else f"{count} {self.plural or self.noun + 's'}"


TERMS: dict[str, Term] = {
    "AWS::AccessAnalyzer::Analyzer": Term("access analyzer", Kind.SECURITY),
    "AWS::ApplicationAutoScaling::ScalableTarget": Term("auto scaling", Kind.COMPUTE),
    "AWS::Backup::BackupPlan": Term("backup plan", Kind.DATA),
    "AWS::Backup::BackupVault": Term("backup vault", Kind.DATA),
    "AWS::Backup::RestoreTestingPlan": Term("restore testing plan", Kind.DATA),
    "AWS::Budgets::Budget": Term("budget", Kind.OPERATIONS),
    "AWS::CE::AnomalyMonitor": Term("cost anomaly monitor", Kind.OPERATIONS),
    "AWS::CertificateManager::Certificate": Term("certificate", Kind.SECURITY),
    "AWS::CloudTrail::Trail": Term("CloudTrail trail", Kind.SECURITY),
    "AWS::CloudWatch::Alarm": Term("alarm", Kind.OPERATIONS),
    "AWS::CloudWatch::CompositeAlarm": Term("composite alarm", Kind.OPERATIONS),
    "AWS::CloudWatch::Dashboard": Term("dashboard", Kind.OPERATIONS),
    "AWS::CodeBuild::Project": Term("build project", Kind.OPERATIONS),
    "AWS::CodePipeline::Pipeline": Term("pipeline", Kind.OPERATIONS),
    "AWS::DynamoDB::Table": Term("DynamoDB table", Kind.DATA),
    "AWS::EC2::FlowLog": Term("flow log", Kind.OPERATIONS),
    "AWS::EC2::NatGateway": Term("NAT gateway", Kind.NETWORK),
    "AWS::EC2::SecurityGroup": Term("security group", Kind.NETWORK),
    "AWS::EC2::Subnet": Term("subnet", Kind.NETWORK),
    "AWS::EC2::VPC": Term("VPC", Kind.NETWORK),
    "AWS::EC2::VPCEndpoint": Term("VPC endpoint", Kind.NETWORK),
    "AWS::ECR::Repository": Term("image repository", Kind.COMPUTE, "image repositories"),
    "AWS::ECS::Cluster": Term("ECS cluster", Kind.COMPUTE),
    "AWS::ECS::Service": Term("Fargate service", Kind.COMPUTE),
    "AWS::ECS::TaskDefinition": Term("task definition", Kind.COMPUTE),
    "AWS::ElastiCache::ServerlessCache": Term("serverless cache", Kind.DATA),
    "AWS::ElastiCache::UserGroup": Term("cache user group", Kind.DATA),
    "AWS::ElasticLoadBalancingV2::Listener": Term("listener", Kind.NETWORK),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Term("load balancer", Kind.NETWORK),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Term("target group", Kind.NETWORK),
    "AWS::Events::Rule": Term("event rule", Kind.OPERATIONS),
    "AWS::GlobalAccelerator::Accelerator": Term("global accelerator", Kind.NETWORK),
    "AWS::GlobalAccelerator::EndpointGroup": Term("accelerator endpoint group", Kind.NETWORK),
    "AWS::GuardDuty::Detector": Term("GuardDuty detector", Kind.SECURITY),
    "AWS::IAM::OIDCProvider": Term("OIDC provider", Kind.SECURITY),
    "AWS::KMS::Key": Term("KMS key", Kind.SECURITY),
    "AWS::Lambda::Function": Term("function", Kind.COMPUTE),
    "AWS::Logs::LogGroup": Term("log group", Kind.OPERATIONS),
    "AWS::RDS::DBCluster": Term("Aurora cluster", Kind.DATA),
    "AWS::RDS::DBInstance": Term("database instance", Kind.DATA),
    "AWS::RDS::DBProxy": Term("database proxy", Kind.DATA, "database proxies"),
    "AWS::Route53::HostedZone": Term("hosted zone", Kind.NETWORK),
    "AWS::Route53::RecordSet": Term("DNS record", Kind.NETWORK),
    "AWS::S3::Bucket": Term("bucket", Kind.DATA),
    "AWS::SNS::Topic": Term("topic", Kind.OPERATIONS),
    "AWS::SQS::Queue": Term("queue", Kind.OPERATIONS),
    "AWS::Scheduler::Schedule": Term("schedule", Kind.OPERATIONS),
    "AWS::SecretsManager::RotationSchedule": Term("rotation schedule", Kind.SECURITY),
    "AWS::SecretsManager::Secret": Term("secret", Kind.SECURITY),
    "AWS::StepFunctions::StateMachine": Term("state machine", Kind.COMPUTE),
    "AWS::Synthetics::Canary": Term("canary", Kind.OPERATIONS, "canaries"),
    "AWS::WAFv2::WebACL": Term("web firewall", Kind.SECURITY),
}

# Part of something that is drawn: its rules, its grants, its links.
SUPPORTING = frozenset(
    {
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::Backup::BackupSelection",
        "AWS::Backup::RestoreTestingSelection",
        "AWS::CE::AnomalySubscription",
        "AWS::EC2::EIP",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::Route",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::ECR::ReplicationConfiguration",
        "AWS::ECR::RepositoryCreationTemplate",
        "AWS::ECS::ClusterCapacityProviderAssociations",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "AWS::GlobalAccelerator::Listener",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::KMS::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Permission",
        "AWS::Logs::MetricFilter",
        "AWS::Logs::ResourcePolicy",
        "AWS::RDS::DBClusterParameterGroup",
        "AWS::RDS::DBParameterGroup",
        "AWS::RDS::DBProxyTargetGroup",
        "AWS::RDS::DBSubnetGroup",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::SecretsManager::ResourcePolicy",
        "AWS::SecretsManager::SecretTargetAttachment",
        "AWS::WAFv2::IPSet",
        "AWS::WAFv2::LoggingConfiguration",
        "AWS::WAFv2::WebACLAssociation",
        "Custom::VpcRestrictDefaultSG",
    }
)

_CAPITALS_AND_DIGITS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_PROPER = "ACL Aurora CPU DB DNS ECS HTTP HTTPS KMS S3 SG URL Valkey VPC WAF"
_SPELLING = {word.lower(): word for word in _PROPER.split()}


def term_of(kind: str) -> Term:
    """Return a type's name; an unknown type keeps its own, so that nothing new stays off the map."""
    if kind in TERMS:
        return TERMS[kind]
    service, _, name = kind.removeprefix("AWS::").partition("::")
    if service == "Custom":
        return Term(words(name), Kind.OPERATIONS)
    return Term(f"{service} {words(name)}", Kind.OPERATIONS)


def words(name: str) -> str:
    """Return an identifier as words: `DatabaseRolesFunction` is `database roles function`."""
    spaced = "".join(
        f" {letter}" if _begins_word(name, index) else letter for index, letter in enumerate(name)
    )
    spelt = " ".join(_SPELLING.get(word.lower(), word.lower()) for word in spaced.split())
    return spelt.replace("dynamo DB", "DynamoDB")


def _begins_word(name: str, index: int) -> bool:
    if index == 0 or name[index] not in _CAPITALS_AND_DIGITS:
        return False
    before, follows = name[index - 1], name[index + 1 : index + 2]
    if name[index].isdigit():
        return before.islower()
    return before not in _CAPITALS_AND_DIGITS or (follows.isalpha() and follows.islower())


def fact(resource: Resource) -> str:
    """Return what is worth knowing of a resource beside its name, or nothing."""
    describe = _FACTS.get(resource.type)
    return describe(resource) if describe else ""


def _cluster(resource: Resource) -> str:
    engine = str(resource.get("Engine", default="")).replace("aurora-postgresql", "PostgreSQL")
    low = resource.get("ServerlessV2ScalingConfiguration", "MinCapacity")
    high = resource.get("ServerlessV2ScalingConfiguration", "MaxCapacity")
    capacity = f", {low:g} to {high:g} ACU" if low is not None and high is not None else ""
    return f"{engine} {resource.get('EngineVersion', default='')}".strip() + capacity


def _task_definition(resource: Resource) -> str:
    cpu, memory = resource.get("Cpu"), resource.get("Memory")
    if cpu is None or memory is None:
        return ""
    return f"{int(cpu) / 1024:g} vCPU, {int(memory) / 1024:g} GB a task"


def _cache(resource: Resource) -> str:
    largest = resource.get("CacheUsageLimits", "DataStorage", "Maximum")
    engine = str(resource.get("Engine", default="")).capitalize()
    return f"{engine}, up to {largest} GB" if largest is not None else engine


def _listener(resource: Resource) -> str:
    return f"{resource.get('Protocol', default='')} {resource.get('Port', default='')}".strip()


_FACTS: dict[str, Callable[[Resource], str]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": lambda r: (
        f"{r.get('MinCapacity')} to {r.get('MaxCapacity')} tasks"
    ),
    "AWS::Backup::BackupPlan": lambda r: f"{len(r.get('BackupPlan', 'BackupPlanRule', default=()))} rules",
    "AWS::EC2::VPC": lambda r: str(r.get("CidrBlock", default="")),
    "AWS::ECS::TaskDefinition": _task_definition,
    "AWS::ElastiCache::ServerlessCache": _cache,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::RDS::DBCluster": _cluster,
    "AWS::WAFv2::WebACL": lambda r: f"{len(r.get('Rules', default=()))} rules",
}
