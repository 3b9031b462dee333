"""Commands that deploy, show what was deployed, and go back to it."""

from typing import Annotated

import typer

from contract.environments import SANDBOX
from ops.cli.options import DEPLOY, PASS_THROUGH, Environment, Json, Overrides, app

lock = typer.Typer(no_args_is_help=True, help="The deploy lock: who holds it, taking it, giving it back.")
app.add_typer(lock, name="lock", rich_help_panel=DEPLOY)
images = typer.Typer(no_args_is_help=True, help="Images of the environment's repository.")
app.add_typer(images, name="images", rich_help_panel=DEPLOY)

Reason = Annotated[str, typer.Option("--reason", help="Why, for the ledger.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait while the lock is held or AWS is at work.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Keep = Annotated[int, typer.Option("--keep", min=1, help="How many of the last deployments need theirs.")]


@app.command(rich_help_panel=DEPLOY)
def deploy(
    *,
    environment: Environment = SANDBOX,
    image: Annotated[
        str | None, typer.Option("--image", help="Of the service; by default the settings'.")
    ] = None,
    reason: Reason = "",
    lose: Annotated[
        list[str] | None, typer.Option("--lose", help="Logical id of what may be replaced or removed.")
    ] = None,
    wait: Wait = False,
    yes: Yes = False,
    context: Overrides = None,
) -> None:
    """Deploy an environment, under the lock, and write an entry into the ledger.

    ./gantry deploy -e prod --image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/gantry/prod:v42
    """
    from ops.deployments import deploy as deployment

    request = deployment.Request(
        environment=environment, image=image, reason=reason, overrides=context or (),
        lose=frozenset(lose or ()), wait=wait, yes=yes,
    )  # fmt: skip
    deployment.deploy(request)


@app.command(rich_help_panel=DEPLOY)
def history(
    *,
    environment: Environment = SANDBOX,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20,
    json: Json = False,
) -> None:
    """List what was deployed: by whom, when, what changed, how it ended."""
    from ops.deployments import history as deployments

    deployments.run(environment, limit=limit, as_json=json)


@app.command(rich_help_panel=DEPLOY)
def compare(
    first: Annotated[str, typer.Argument(help="Entry of the ledger, or the beginning of its id.")],
    second: Annotated[
        str | None, typer.Argument(help="Another one; by default what the code makes now.")
    ] = None,
    *,
    environment: Environment = SANDBOX,
    json: Json = False,
) -> None:
    """Show what differs between two deployments, or a deployment and the code."""
    from ops.deployments import compare as comparison

    comparison.run(environment, first, second, as_json=json)


@app.command(rich_help_panel=DEPLOY)
def rollback(
    *,
    environment: Environment = SANDBOX,
    to: Annotated[
        str | None, typer.Option("--to", help="Entry of the ledger; its beginning is enough.")
    ] = None,
    last_good: Annotated[
        bool, typer.Option("--last-good", help="The last deployment before this one that succeeded.")
    ] = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Deploy again what was deployed before, without source or synthesis; what is on its way is stopped."""
    from ops.deployments import rollback as way_back

    way_back.run_rollback(environment, to=to, newest_good=last_good, reason=reason, yes=yes)


@lock.command(name="status")
def lock_status(*, environment: Environment = SANDBOX, json: Json = False) -> None:
    """Show who holds the lock, since when and why; exit code 0 also when it is held."""
    from ops.deployments import locks

    locks.status(environment, as_json=json)


@lock.command(name="acquire")
def lock_acquire(*, environment: Environment = SANDBOX, reason: Reason = "", wait: Wait = False) -> None:
    """Take the lock and keep it until it is released: no one deploys meanwhile."""
    from ops.deployments import locks

    locks.acquire(environment, reason=reason, wait=wait)


@lock.command(name="release")
def lock_release(
    *,
    environment: Environment = SANDBOX,
    force: Annotated[
        str | None,
        typer.Option("--force", metavar="HOLDER", help="Take it away from the holder of this name."),
    ] = None,
) -> None:
    """Give the lock back."""
    from ops.deployments import locks

    locks.release(environment, force=force)


@images.command(name="list")
def images_list(*, environment: Environment = SANDBOX, keep: Keep = 10, json: Json = False) -> None:
    """List the images with a tag, and what needs each."""
    from ops.deployments import images as repository

    repository.list_images(environment, keep=keep, as_json=json)


@images.command(name="prune")
def images_prune(*, environment: Environment = SANDBOX, keep: Keep = 10, yes: Yes = False) -> None:
    """Remove the images with a tag that neither a task nor one of the last deployments uses."""
    from ops.deployments import images as repository

    repository.prune(environment, keep=keep, yes=yes)


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
