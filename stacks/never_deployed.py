"""Templates that are only to be looked at."""

from aws_cdk import CfnRule, CfnRuleAssertion, Fn, Stack

CONTEXT = "placeholders"
SHOWN = "shown"


def refuse_when_shown(stack: Stack) -> None:
    """Have CloudFormation refuse a stack that is synthesised with ``-c placeholders=shown``.

    CloudFormation evaluates a template's rules before it creates or updates a stack, or makes a change set of
    it ("Rules" in the CloudFormation User Guide); `cdk synth`, `ls` and `diff` do not. A stack adds the rule
    as it is made: a pipeline synthesises its stages before the app.
    """
    if stack.node.try_get_context(CONTEXT) == SHOWN:
        CfnRule(
            stack,
            "NeverDeployed",
            assertions=[
                CfnRuleAssertion(
                    assert_=Fn.condition_equals(SHOWN, "deployed"),
                    assert_description=f"synthesised with -c {CONTEXT}={SHOWN}: deploy without it",
                )
            ],
        )
