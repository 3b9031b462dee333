"""Small cloud assemblies, written as the CDK writes them."""

import json
from pathlib import Path
from typing import Any

from ops.assembly import Assembly, read


def resource(
    kind: str, path: str, *, depends_on: list[str] | None = None, **properties: object
) -> dict[str, Any]:
    """A template's resource at a construct path (`Data/Database/Cluster/Resource`)."""
    body: dict[str, Any] = {"Type": kind, "Properties": properties, "Metadata": {"aws:cdk:path": path}}
    return body | ({"DependsOn": depends_on} if depends_on else {})


def stack(
    *resources: dict[str, Any],
    depends_on: tuple[str, ...] = (),
    exports: dict[str, Any] | None = None,
    description: str = "",
    region: str = "us-east-1",
) -> dict[str, Any]:
    """A stack whose resources' logical ids are their paths without punctuation."""
    return {
        "artifact": {"dependencies": list(depends_on), "environment": f"aws://111111111111/{region}"},
        "template": {
            "Description": description,
            "Resources": {logical_id(body): body for body in resources},
            "Outputs": {
                f"Export{index}": {"Value": value, "Export": {"Name": name}}
                for index, (name, value) in enumerate((exports or {}).items())
            },
        },
    }


def logical_id(body: dict[str, Any]) -> str:
    path: str = body["Metadata"]["aws:cdk:path"]
    return path.replace("/", "")


def write(directory: Path, **stacks: dict[str, Any]) -> Path:
    """Write an assembly of the stacks, in the order given."""
    artifacts: dict[str, Any] = {}
    for name, content in stacks.items():
        (directory / f"{name}.template.json").write_text(json.dumps(content["template"]))
        artifacts[f"{name}.assets"] = {"type": "cdk:asset-manifest", "properties": {}}
        artifacts[name] = content["artifact"] | {
            "type": "aws:cloudformation:stack",
            "properties": {
                "templateFile": f"{name}.template.json",
                "stackName": f"gantry-test-{name.lower()}",
            },
        }
    (directory / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return directory


def assembly(directory: Path, **stacks: dict[str, Any]) -> Assembly:
    """Write an assembly and read it back."""
    return read(write(directory, **stacks), environment="test")
