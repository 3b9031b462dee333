"""What the deployment would change, and what the rules for security say of it."""

from collections import Counter
from collections.abc import Iterator

from contract.secrets import RotatingSecret
from ops import protection
from ops.checks.context import Deployment
from ops.checks.results import Result, failed, ok
from ops.console import CliError
from ops.deployments import changes
from ops.security.assessment import assess
from ops.security.findings import pack_of


def difference(context: Deployment) -> Iterator[Result]:
    """Yield what differs from what is deployed, and whether it takes away what must stay."""
    before, after = context.deployed(), changes.templates(context.assembly.directory)
    try:
        protection.refuse(before, after)
    except CliError as error:
        yield failed("differences", error.message, error.remedy or "")
        return
    found = changes.changes(before, after)
    counts = Counter((each.stack, each.action) for each in found)
    listed = [f"{stack}: {count} {action}" for (stack, action), count in counts.items()]
    changed = {each.stack for each in found}
    listed += [
        f"{stack}: outputs alone"
        for stack in after
        if stack not in changed and before.get(stack, {}).get("Outputs") != after[stack].get("Outputs")
    ]
    kept = "Nothing that holds data or addresses is replaced or removed."
    yield ok("differences", f"{'; '.join(listed) or 'No stack differs'}. {kept}")


def secrets(context: Deployment) -> Iterator[Result]:
    """Yield whether the secrets exist that the tasks get, and the one for the registry."""
    wanted: dict[str, str] = {}
    for secret in RotatingSecret:
        layer = secret.facts.layer
        outputs = context.outputs(layer) if context.settings.stack_name(layer) in context.deployed() else {}
        if secret.output in outputs:
            wanted[secret.value] = outputs[secret.output]
    made = [secret.value for secret in RotatingSecret if secret.value not in wanted]
    if registry := context.settings.ecs.registry_secret_arn:
        wanted["registry"] = registry
    client = context.client("secretsmanager")
    gone = []
    for name, arn in wanted.items():
        answer = client.describe_secret(SecretId=arn)
        if "DeletedDate" in answer:
            gone.append(f"{name} is scheduled for deletion")
        elif not any("AWSCURRENT" in stages for stages in answer.get("VersionIdsToStages", {}).values()):
            gone.append(f"{name} has no value")
    if gone:
        yield failed(
            "secrets", f"{'; '.join(gone)}.", "`aws secretsmanager restore-secret --secret-id <name>`"
        )
    else:
        there = f"{', '.join(wanted)} exist" if wanted else ""
        new = f"{', '.join(made)} will be made by the deployment" if made else ""
        yield ok("secrets", f"{'; '.join(filter(None, (there, new)))}.")


def security(context: Deployment) -> Iterator[Result]:
    """Yield how many findings the packs of cdk-nag have."""
    environment = context.settings.environment
    found = assess(context.assembly.directory, environment=environment)
    if found.failed:
        rules = {each.id.removeprefix(f"{pack_of(each.id)}-") for each in found.failed}
        remedy = f"`./gantry check security -e {environment}`"
        yield failed("security scans", f"{len(found.failed)} findings: {', '.join(sorted(rules))}.", remedy)
    else:
        yield ok("security scans", "Four packs of cdk-nag have no finding that is not acknowledged.")
