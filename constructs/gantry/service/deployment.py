"""How ECS replaces a service's tasks, and what it needs for moving traffic between two target groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aws_cdk import Duration
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from constructs import Construct

from gantry.nag import acknowledge

Strategy = Literal["rolling", "blue_green", "linear", "canary"]

_STRATEGIES: dict[Strategy, ecs.DeploymentStrategy] = {
    "rolling": ecs.DeploymentStrategy.ROLLING,
    "blue_green": ecs.DeploymentStrategy.BLUE_GREEN,
    "linear": ecs.DeploymentStrategy.LINEAR,
    "canary": ecs.DeploymentStrategy.CANARY,
}
# What ECS does while it moves traffic on an Application Load Balancer, of its managed policy
# AmazonECSInfrastructureRolePolicyForLoadBalancers; none of the first four knows a resource.
_DESCRIBE = ("DescribeListeners", "DescribeRules", "DescribeTargetGroups", "DescribeTargetHealth")
_REGISTER = ("RegisterTargets", "DeregisterTargets")


@dataclass(frozen=True, kw_only=True)
class DeploymentPlan:
    """How a deployment replaces the tasks.

    Attributes
    ----------
    strategy
        ``rolling`` replaces tasks as they get healthy. The others start all new tasks next to the old ones
        then move the traffic: ``blue_green`` at once, ``canary`` a share first, ``linear`` in equal steps.
    step_percent, step_time
        The share of the traffic that moves first or at a time, and the time until the next step.
    bake_time
        How long the old tasks stay when all traffic has moved.
    """

    strategy: Strategy
    step_percent: int
    step_time: Duration
    bake_time: Duration

    @property
    def native_strategy(self) -> ecs.DeploymentStrategy:
        """The strategy as ECS names it; always given, since ECS keeps what an update leaves out."""
        return _STRATEGIES[self.strategy]

    @property
    def circuit_breaker(self) -> ecs.DeploymentCircuitBreaker:
        """The circuit breaker, with every strategy: AWS's pages differ on which ones it serves.

        "Amazon ECS deployment failure detection" names blue/green deployments, the API reference's
        DeploymentCircuitBreaker rolling ones alone. `lambdas/rotation/releases.py` stops what it may leave.
        """
        return ecs.DeploymentCircuitBreaker(enable=True, rollback=True)

    @property
    def bake(self) -> Duration | None:
        """The bake time of a strategy that has one."""
        return None if self.strategy == "rolling" else self.bake_time

    def steps_of(self, strategy: Strategy) -> ecs.TrafficShiftConfig | None:
        """Return the steps for a strategy, or nothing where the plan is of another one."""
        if self.strategy != strategy:
            return None
        return ecs.TrafficShiftConfig(step_percent=self.step_percent, step_bake_time=self.step_time)


@dataclass(frozen=True, kw_only=True)
class AlternateTarget:
    """The second target group, and the rule whose weights say which group the traffic goes to."""

    target_group: elbv2.ApplicationTargetGroup
    rule: elbv2.ApplicationListenerRule


class TrafficShiftRole(iam.Role):
    """The role with which ECS moves a service's traffic from one target group to another.

    Parameters
    ----------
    target_groups
        Where ECS registers tasks.
    rule
        The one rule that ECS changes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        target_groups: Sequence[elbv2.ApplicationTargetGroup],
        rule: elbv2.ApplicationListenerRule,
    ) -> None:
        super().__init__(scope, construct_id, assumed_by=iam.ServicePrincipal("ecs.amazonaws.com"))
        for actions, resources in (
            (_DESCRIBE, ["*"]),
            (_REGISTER, [group.target_group_arn for group in target_groups]),
            (("ModifyRule",), [rule.listener_rule_arn]),
        ):
            self.add_to_policy(
                iam.PolicyStatement(
                    actions=[f"elasticloadbalancing:{action}" for action in actions], resources=resources
                )
            )
        acknowledge(
            self,
            "Describing listeners, rules, target groups and their health knows no resource: "
            "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html",
            "AwsSolutions-IAM5[Resource::*]",
        )
