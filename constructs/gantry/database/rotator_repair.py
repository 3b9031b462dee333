"""A new password for the role that rotates passwords, as soon as its own is refused."""

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from constructs import Construct

from contract.database import ROTATOR_REFUSED


class RotatorRepair(Construct):
    """Calls the function that changes the rotator's password when a log says that it is refused.

    The function that notices cannot call the other one: the VPC need not have an endpoint for Lambda. It
    says so every few minutes, so that a call that was lost is made again.

    Parameters
    ----------
    log_group
        Of the function that logs in as the rotator.
    function
        Changes the password if it is still refused; of another stack.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, log_group: logs.ILogGroup, function: lambda_.IFunction
    ) -> None:
        super().__init__(scope, construct_id)
        # Not the destination's own, which would be in the function's stack and refer back to this one.
        permission = lambda_.CfnPermission(
            self,
            "LogsMayInvoke",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="logs.amazonaws.com",
            source_account=Stack.of(self).account,
            source_arn=log_group.log_group_arn,
        )
        subscription = logs.SubscriptionFilter(
            self,
            "Refused",
            log_group=log_group,
            destination=destinations.LambdaDestination(function, add_permissions=False),
            filter_pattern=logs.FilterPattern.literal(f'"{ROTATOR_REFUSED}"'),
        )
        subscription.node.add_dependency(permission)
