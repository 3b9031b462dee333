"""What resources use: the first of the bodies, idle and under 100 requests a second."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ops.cost.workload import Workload
from tests.unit.ops.assemblies import resource

LOADED = Workload(Decimal(100))
# 100 requests a second for 730 hours; what one KB of each comes to in GB.
REQUESTS = 262_800_000
GB = Decimal(REQUESTS) / 1024**2

Body = dict[str, Any]
Quantities = dict[str, float | Decimal]


@dataclass(frozen=True)
class Case:
    """Resources, and the quantity of each price that the first one uses."""

    bodies: list[Body]
    idle: Quantities
    loaded: Quantities | None = None


def ref(path: str) -> dict[str, str]:
    return {"Ref": path.replace("/", "")}


def cron(expression: str, **rule: object) -> Body:
    days = {"Lifecycle": {"DeleteAfterDays": 35}}
    return {"RuleName": "r", "ScheduleExpression": f"cron({expression})", **days, **rule}


CLUSTER = resource(
    "AWS::RDS::DBCluster",
    "S/Cluster",
    BackupRetentionPeriod=35,
    ManageMasterUserPassword=True,
    ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 16},
)
OPTIMISED = resource(
    "AWS::RDS::DBCluster",
    "S/Cluster",
    StorageType="aurora-iopt1",
    DatabaseInsightsMode="advanced",
    ServerlessV2ScalingConfiguration={"MinCapacity": 2, "MaxCapacity": 4},
)
WRITER = resource(
    "AWS::RDS::DBInstance",
    "S/Writer",
    DBInstanceClass="db.serverless",
    PromotionTier=0,
    DBClusterIdentifier=ref("S/Cluster"),
)
ARM = {"CpuArchitecture": "ARM64"}
TASK = resource("AWS::ECS::TaskDefinition", "S/Task", Cpu="512", Memory="1024", RuntimePlatform=ARM)
X86 = resource("AWS::ECS::TaskDefinition", "S/Task", Cpu="256", Memory="512")
SUBNETS = {"AwsvpcConfiguration": {"Subnets": ["a", "b"]}}
SERVICE = resource(
    "AWS::ECS::Service", "S/Service", TaskDefinition=ref("S/Task"), NetworkConfiguration=SUBNETS
)
SCALING = resource(
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "S/Scaling",
    MinCapacity=1,
    MaxCapacity=10,
    Of=ref("S/Service"),
)
OWN_METRIC: Body = {
    "Namespace": "Gantry",
    "MetricName": "DaysSinceRotation",
    "Dimensions": [{"Name": "Secret", "Value": "a"}],
}
LOGS = resource("AWS::Logs::LogGroup", "S/Logs", RetentionInDays=73)
BUCKET = resource(
    "AWS::S3::Bucket",
    "S/Bucket",
    LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ExpirationInDays": 73}]},
)
BALANCER = resource(
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "S/Lb",
    Scheme="internet-facing",
    Subnets=["a", "b", "c"],
    Attributes=[ref("S/Bucket")],
)
ENDPOINT = resource(
    "AWS::EC2::VPCEndpoint",
    "S/Endpoint",
    VpcEndpointType="Interface",
    SubnetIds=["a", "b"],
    ServiceName="com.amazonaws.us-east-1.logs",
)
NAT = resource("AWS::EC2::NatGateway", "S/Nat")
SECOND_NAT = resource("AWS::EC2::NatGateway", "S/Nat2")

CASES: dict[str, Case] = {
    "NAT gateways share the logs that leave": Case(
        [NAT, SECOND_NAT],
        {"nat-gateway-hour": 730, "nat-gateway-gb": 0},
        {"nat-gateway-hour": 730, "nat-gateway-gb": GB / 2 / 2},
    ),
    "NAT gateway next to an endpoint for logs": Case(
        [NAT, ENDPOINT],
        {"nat-gateway-hour": 730},
    ),
    "interface endpoint in each zone": Case(
        [ENDPOINT],
        {"interface-endpoint-hour": 1460, "interface-endpoint-gb": 0},
        {"interface-endpoint-hour": 1460, "interface-endpoint-gb": GB / 2},
    ),
    "gateway endpoint": Case(
        [resource("AWS::EC2::VPCEndpoint", "S/S3", VpcEndpointType="Gateway")],
        {},
    ),
    "address": Case(
        [resource("AWS::EC2::EIP", "S/Ip")],
        {"public-ipv4-hour": 730},
    ),
    "load balancer": Case(
        [BALANCER],
        {
            "load-balancer-hour": 730,
            "load-balancer-capacity-unit": 0,
            "public-ipv4-hour": 2190,
            "transfer-to-internet": 0,
        },
        {
            # 11 KB both ways are 3.78 GB an hour, more than the 0.4 and 0.2 units of its connections.
            "load-balancer-hour": 730,
            "load-balancer-capacity-unit": GB * 11,
            "public-ipv4-hour": 2190,
            "transfer-to-internet": GB * 10,
        },
    ),
    "accelerator": Case(
        [resource("AWS::GlobalAccelerator::Accelerator", "S/Ga")],
        {"global-accelerator-hour": 730, "global-accelerator-gb": 0},
        {"global-accelerator-hour": 730, "global-accelerator-gb": GB * 10},
    ),
    "hosted zone": Case(
        [resource("AWS::Route53::HostedZone", "S/Zone")],
        {"hosted-zone": 1},
    ),
    "health check": Case(
        [resource("AWS::Route53::HealthCheck", "S/Hc")],
        {"health-check": 1},
    ),
    "service that scales": Case(
        [SERVICE, TASK, SCALING],
        {"fargate-arm-vcpu-hour": 365, "fargate-arm-gb-hour": 730},
        {"fargate-arm-vcpu-hour": 730, "fargate-arm-gb-hour": 1460},
    ),
    "service of fixed size, with a database in two zones": Case(
        [
            resource(
                "AWS::ECS::Service",
                "S/Service",
                TaskDefinition=ref("S/Task"),
                DesiredCount=3,
                NetworkConfiguration=SUBNETS,
            ),
            X86,
            CLUSTER,
        ],
        {"fargate-x86-vcpu-hour": 547.5, "fargate-x86-gb-hour": 1095, "transfer-between-zones": 0},
        {"fargate-x86-vcpu-hour": 547.5, "fargate-x86-gb-hour": 1095, "transfer-between-zones": GB * 4},
    ),
    "function on a schedule": Case(
        [
            resource("AWS::Lambda::Function", "S/Fn", MemorySize=512, Architectures=["arm64"]),
            resource(
                "AWS::Events::Rule", "S/Rule", ScheduleExpression="rate(5 minutes)", Targets=[ref("S/Fn")]
            ),
        ],
        {"lambda-arm-gb-second": 4380, "lambda-million-requests": Decimal("0.00876")},
    ),
    "function without a schedule": Case(
        [resource("AWS::Lambda::Function", "S/Fn")],
        {"lambda-x86-gb-second": 62.5, "lambda-million-requests": Decimal("0.0005")},
    ),
    "repository": Case(
        [resource("AWS::ECR::Repository", "S/R")],
        {"image-storage-gb": 2},
    ),
    "state machine": Case(
        [resource("AWS::StepFunctions::StateMachine", "S/M")],
        {"state-transitions-thousand": 1},
    ),
    "cluster": Case(
        [CLUSTER],
        {"aurora-storage-gb": 10, "aurora-million-io": 0, "aurora-backup-gb": 7, "secret-month": 1},
        {
            "aurora-storage-gb": 10,
            "aurora-million-io": Decimal("525.6"),
            "aurora-backup-gb": 7,
            "secret-month": 1,
        },
    ),
    "cluster with I/O included": Case(
        [OPTIMISED],
        {"aurora-io-optimized-storage-gb": 10},
    ),
    "writer": Case(
        [WRITER, CLUSTER],
        {"aurora-acu-hour": 365},
    ),
    "writer with I/O included and insights": Case(
        [WRITER, OPTIMISED],
        {"aurora-io-optimized-acu-hour": 1460, "database-insights-acu-hour": 1460},
    ),
    "proxy is charged for eight ACU at least": Case(
        [resource("AWS::RDS::DBProxy", "S/Proxy"), WRITER, CLUSTER],
        {"database-proxy-acu-hour": 5840},
    ),
    "cache": Case(
        [resource("AWS::ElastiCache::ServerlessCache", "S/Cache", Engine="valkey")],
        {"cache-gb-hour": 73, "cache-million-units": 0},
        {"cache-gb-hour": 73, "cache-million-units": Decimal("788.4")},
    ),
    "cache with a reserved minimum": Case(
        [
            resource(
                "AWS::ElastiCache::ServerlessCache",
                "S/Cache",
                Engine="valkey",
                CacheUsageLimits={"DataStorage": {"Minimum": 2}, "ECPUPerSecond": {"Minimum": 1000}},
            )
        ],
        {"cache-gb-hour": 1460, "cache-million-units": 2628},
    ),
    "bucket of access logs": Case(
        [BUCKET, BALANCER],
        {"object-storage-gb": 1},
        {"object-storage-gb": 1 + GB / 2 * Decimal("2.4")},
    ),
    "table": Case(
        [
            resource(
                "AWS::DynamoDB::Table",
                "S/Table",
                BillingMode="PAY_PER_REQUEST",
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )
        ],
        {"table-storage-gb": Decimal("0.1"), "table-recovery-gb": Decimal("0.1")},
    ),
    "backup plan with a weekly rule that is copied": Case(
        [
            resource(
                "AWS::Backup::BackupPlan",
                "S/Plan",
                BackupPlan={
                    "BackupPlanRule": [
                        cron("0 5 ? * SUN *", CopyActions=[{"Lifecycle": {"DeleteAfterDays": 14}}])
                    ]
                },
            )
        ],
        {"aurora-backup-gb": 50 + 20, "transfer-between-regions": Decimal(7300) / 24 / 7},
    ),
    "key": Case(
        [resource("AWS::KMS::Key", "S/Key")],
        {"key-month": 1},
    ),
    "key that rotates": Case(
        [resource("AWS::KMS::Key", "S/Key", EnableKeyRotation=True)],
        {"key-month": 3},
    ),
    "replica of a key that rotates": Case(
        [
            resource("AWS::KMS::ReplicaKey", "S/Replica", PrimaryKeyArn=ref("S/Key")),
            resource("AWS::KMS::Key", "S/Key", EnableKeyRotation=True),
        ],
        {"key-month": 3},
    ),
    "backups within the cluster's own retention, and after it": Case(
        [
            resource(
                "AWS::Backup::BackupPlan",
                "S/Plan",
                BackupPlan={
                    "BackupPlanRule": [
                        cron("0 5 * * ? *"),
                        cron("0 5 ? * SUN *", Lifecycle={"DeleteAfterDays": 70}),
                    ]
                },
            ),
            CLUSTER,
        ],
        {"aurora-backup-gb": 50},
    ),
    "secret": Case(
        [resource("AWS::SecretsManager::Secret", "S/Secret")],
        {"secret-month": 1},
    ),
    "web firewall": Case(
        [resource("AWS::WAFv2::WebACL", "S/Acl", Rules=[{"Statement": {}}, {"Statement": {}}])],
        {"firewall-month": 1, "firewall-rule-month": 2, "firewall-million-requests": 0},
        {"firewall-month": 1, "firewall-rule-month": 2, "firewall-million-requests": Decimal("262.8")},
    ),
    "detector": Case(
        [resource("AWS::GuardDuty::Detector", "S/Detector")],
        {"threat-detection-million-events": Decimal("0.5"), "threat-detection-gb": 1},
        {"threat-detection-million-events": Decimal("0.5"), "threat-detection-gb": 1 + GB / 10},
    ),
    "trail": Case(
        [resource("AWS::CloudTrail::Trail", "S/Trail")],
        {},
    ),
    "trail with insights": Case(
        [
            resource(
                "AWS::CloudTrail::Trail", "S/Trail", InsightSelectors=[{"InsightType": "ApiCallRateInsight"}]
            )
        ],
        {"trail-insights-hundred-thousand-events": 5},
    ),
    "log group of tasks": Case(
        [LOGS, resource("AWS::ECS::TaskDefinition", "S/Task", LogConfiguration=ref("S/Logs"))],
        {"logs-gb": 1, "logs-storage-gb": Decimal("0.36")},
        {"logs-gb": 1 + GB / 2, "logs-storage-gb": (1 + GB / 2) * Decimal("0.36")},
    ),
    "log group of the flow log": Case(
        [LOGS, resource("AWS::EC2::FlowLog", "S/Flow", LogGroupName=ref("S/Logs"))],
        {"vended-logs-gb": 1, "logs-storage-gb": Decimal("0.36")},
        {"vended-logs-gb": 1 + GB / 10, "logs-storage-gb": (1 + GB / 10) * Decimal("0.36")},
    ),
    "log group of the firewall": Case(
        [LOGS, resource("AWS::WAFv2::LoggingConfiguration", "S/Waf", LogDestinationConfigs=[ref("S/Logs")])],
        {"vended-logs-gb": 1, "logs-storage-gb": Decimal("0.36")},
        {"vended-logs-gb": 1 + GB, "logs-storage-gb": (1 + GB) * Decimal("0.36")},
    ),
    "metric filter": Case(
        [resource("AWS::Logs::MetricFilter", "S/Mf", MetricTransformations=[{}, {}])],
        {"custom-metric": 2},
    ),
    "alarm": Case(
        [resource("AWS::CloudWatch::Alarm", "S/A", Period=300)],
        {"alarm-metric": 1},
    ),
    "alarm on a function's own metric, which another alarm has, too": Case(
        [
            resource("AWS::CloudWatch::Alarm", "S/A", **OWN_METRIC),
            resource("AWS::CloudWatch::Alarm", "S/B", **OWN_METRIC),
        ],
        {"alarm-metric": 1, "custom-metric": 1},
    ),
    "alarm of fine resolution": Case(
        [resource("AWS::CloudWatch::Alarm", "S/A", Period=10)],
        {"high-resolution-alarm-metric": 1},
    ),
    "alarm on an expression of two metrics": Case(
        [
            resource(
                "AWS::CloudWatch::Alarm",
                "S/A",
                Metrics=[
                    {"Expression": "a/b"},
                    {"MetricStat": {"Period": 60}},
                    {"MetricStat": {"Period": 60}},
                ],
            )
        ],
        {"alarm-metric": 2},
    ),
    "composite alarm": Case(
        [resource("AWS::CloudWatch::CompositeAlarm", "S/C")],
        {"composite-alarm": 1},
    ),
    "target tracking": Case(
        [resource("AWS::ApplicationAutoScaling::ScalingPolicy", "S/P", PolicyType="TargetTrackingScaling")],
        {"alarm-metric": 2},
    ),
    "dashboard": Case(
        [resource("AWS::CloudWatch::Dashboard", "S/D")],
        {"dashboard": 1},
    ),
    "canary": Case(
        [resource("AWS::Synthetics::Canary", "S/Canary", Schedule={"Expression": "rate(5 minutes)"})],
        {"canary-run": 8760},
    ),
    "pipeline": Case(
        [resource("AWS::CodePipeline::Pipeline", "S/P", PipelineType="V2")],
        {"pipeline-action-minute": 900},
    ),
    "small build": Case(
        [
            resource(
                "AWS::CodeBuild::Project",
                "S/B",
                Environment={"ComputeType": "BUILD_GENERAL1_SMALL", "Type": "LINUX_CONTAINER"},
            )
        ],
        {"build-small-minute": 150},
    ),
    "medium build": Case(
        [
            resource(
                "AWS::CodeBuild::Project",
                "S/B",
                Environment={"ComputeType": "BUILD_GENERAL1_MEDIUM", "Type": "LINUX_CONTAINER"},
            )
        ],
        {"build-medium-minute": 150},
    ),
}
