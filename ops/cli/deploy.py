"""Commands that deploy, and remove what a deployment left."""

from typing import Annotated

import typer

from contract.environments import SANDBOX
from ops.cli.options import DEPLOY, PASS_THROUGH, Environment, Overrides, app


@app.command(context_settings=PASS_THROUGH, rich_help_panel=DEPLOY)
def cdk(context: typer.Context) -> None:
    """Run the pinned CDK CLI: ./gantry cdk diff, ./gantry cdk deploy --all -c environment=prod."""
    from ops import cdk as pinned_cdk

    code = pinned_cdk.run(context.args)
    if code and "deploy" in context.args:
        from ops import clean_up

        clean_up.suggest(context.args)
    raise typer.Exit(code)


@app.command(name="clean-up", rich_help_panel=DEPLOY)
def clean_up(
    *,
    environment: Environment = SANDBOX,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="Remove what the stacks left that `cdk destroy` deleted.")
    ] = False,
    context: Overrides = None,
) -> None:
    """Remove what the failed first deployment of a stack left behind, and the stack."""
    from ops import clean_up as failed_stacks

    failed_stacks.run(environment, context=context or (), yes=yes, destroyed=leftovers)
