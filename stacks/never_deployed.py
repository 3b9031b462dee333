"""Templates that are only to be looked at."""

from aws_cdk import App, CfnRule, CfnRuleAssertion, Fn, Stack


def never_deployed(app: App) -> None:
    """Have CloudFormation refuse every stack of an app, those of its stages included.

    CloudFormation evaluates a template's rules before it creates or updates a stack, or makes a change set of
    it, whoever asks ("Rules" in the CloudFormation User Guide); `cdk synth`, `ls` and `diff` do not.
    """
    for stack in app.node.find_all():
        if isinstance(stack, Stack):
            CfnRule(
                stack,
                "NeverDeployed",
                assertions=[
                    CfnRuleAssertion(
                        assert_=Fn.condition_equals("shown", "deployed"),
                        assert_description="synthesised with -c placeholders=shown: deploy without it",
                    )
                ],
            )
