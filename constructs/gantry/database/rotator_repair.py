"""A new password for the role that rotates passwords, as soon as the database refuses its own."""

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from constructs import Construct

from contract.database import ROTATOR_REFUSED


class RotatorRepair(Construct):
    """Calls the function DatabaseRoles when the rotation's log says that the database refuses the rotator.

    It sets a new password. The rotation function cannot call it: its VPC may have no endpoint for Lambda.
    It logs the message every few minutes, so that a call that was lost is made again.

    Parameters
    ----------
    log_group
        Log group of the rotation function.
    function
        The function DatabaseRoles, in another stack.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, log_group: logs.ILogGroup, function: lambda_.IFunction
    ) -> None:
        super().__init__(scope, construct_id)
        # Made here: LambdaDestination would put it into the function's stack, a circular reference.
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
