"""Who may deploy from outside the account, without a credential that is stored anywhere."""

from collections.abc import Sequence

from aws_cdk import DefaultStackSynthesizer, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from gantry.delivery.stack_policy import allow_stack_policies

GITHUB_ISSUER = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"
# What the CDK CLI takes on in turn: https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
_BOOTSTRAP_ROLES = ("deploy", "file-publishing", "image-publishing", "lookup")


class GitHubProvider(iam.CfnOIDCProvider):
    """GitHub as an identity provider, of which an account has one.

    IAM trusts GitHub's certificate by its authority, so that no thumbprint is kept here.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id, url=f"https://{GITHUB_ISSUER}", client_id_list=[_AUDIENCE])


class GitHubDeployRole(iam.Role):
    """A role that one branch, or one environment, of one repository may take on to deploy with the CDK.

    It may take on the roles that the CDK's bootstrap made for deployments, each by its name, and do what
    those may not: compare the stacks with what it is about to deploy, and set their policies.

    Parameters
    ----------
    name
        Name of the role, which a workflow has to know.
    subject
        Who may take it on, as GitHub's tokens say it: ``repo:<owner>/<name>:ref:refs/heads/<branch>``.
    provider_arn
        GitHub as an identity provider of the account.
    regions
        Where stacks are deployed.
    stacks
        ARNs of the stacks, as `allow_stack_policies` takes them.
    session
        The longest session, which has to last as long as a deployment; IAM allows twelve hours.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        subject: str,
        provider_arn: str,
        regions: Sequence[str],
        stacks: Sequence[str],
        session: Duration,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            role_name=name,
            description=f"Deployments by {subject}",
            max_session_duration=session,
            assumed_by=iam.WebIdentityPrincipal(
                provider_arn,
                {"StringEquals": {f"{GITHUB_ISSUER}:aud": _AUDIENCE, f"{GITHUB_ISSUER}:sub": subject}},
            ),
        )
        stack = Stack.of(self)
        qualifier = stack.synthesizer.bootstrap_qualifier or DefaultStackSynthesizer.DEFAULT_QUALIFIER
        names = [
            f"cdk-{qualifier}-{role}-role-{stack.account}-{region}"
            for region in regions
            for role in _BOOTSTRAP_ROLES
        ]
        self.add_to_policy(
            iam.PolicyStatement(
                actions=["sts:AssumeRole"],
                resources=[
                    stack.format_arn(service="iam", region="", resource="role", resource_name=name)
                    for name in names
                ],
            )
        )
        allow_stack_policies(self, stacks, comparing=True)


def github_provider_arn(scope: Construct) -> str:
    """Return the ARN of GitHub as an identity provider of the account, made here or elsewhere."""
    return Stack.of(scope).format_arn(
        service="iam", region="", resource="oidc-provider", resource_name=GITHUB_ISSUER
    )
