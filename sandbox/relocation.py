"""Makes kept state say where a sandbox is now: in another folder, or on other ports.

Both are part of what was deployed (endpoints of clusters and caches, outputs, secrets, variables of tasks and
functions), and either may be lost: the folder is moved or copied, another program takes a port while the
sandbox does not run. All state is JSON; every place gets the new value, as if all had been deployed so.
"""

import json
import re
from collections.abc import Callable, Collection
from pathlib import Path

from sandbox.files import write_atomically
from sandbox.layout import Layout
from sandbox.ports import Ports


def previous_root(layout: Layout) -> Path | None:
    """Return where the sandbox was when it was last started, if that is another folder."""
    if not layout.location.exists():
        return None
    root = Path(layout.location.read_text())
    return None if root == layout.root else root


def is_copy(layout: Layout) -> bool:
    """Return whether this is a copy of a sandbox that is still where it was."""
    root = previous_root(layout)
    return root is not None and Layout(root).ports.exists() and not root.samefile(layout.root)


def relocate(layout: Layout, ports: Ports, lost: Collection[str]) -> None:
    """Give the sandbox, of which nothing may run, its present folder and new ports for those that it lost.

    Parameters
    ----------
    layout, ports
        The sandbox's.
    lost
        Names of ports that are another's now.
    """
    # Decided once and written down, so that one that is interrupted is continued at the next start.
    if not layout.relocation.exists():
        plan = {"root": str(previous_root(layout) or layout.root), "ports": ports.others(lost)}
        write_atomically(layout.relocation, json.dumps(plan))
    plan = json.loads(layout.relocation.read_text())
    known = ports.known()
    replacements = [_port_replacement(known[name], new) for name, new in plan["ports"].items()]
    for file in (*layout.root.glob("*.json"), *layout.control_plane.glob("*.json")):
        if file not in (layout.relocation, layout.ports):
            _rewrite(file, [*replacements, _root_replacement(plan["root"], str(layout.root))])
    ports.assign(plan["ports"])
    write_atomically(layout.location, str(layout.root))
    layout.relocation.unlink()


def _rewrite(file: Path, replacements: Collection[Callable[[str], str]]) -> None:
    old = new = file.read_text()
    for replace in replacements:
        new = replace(new)
    if new != old:
        write_atomically(file, new)


def _port_replacement(old: int, new: int) -> Callable[[str], str]:
    # In an address, as a string of its own, or as the number of something that is called a port; in JSON that
    # is itself a string of JSON, quotation marks have backslashes before them.
    pattern = re.compile(rf'((?:127\.0\.0\.1|localhost):|"|port\\*": ?){old}(?![\w-])', re.IGNORECASE)
    return lambda text: pattern.sub(rf"\g<1>{new}", text)


def _root_replacement(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(json.dumps(f"{old}/")[1:-1], json.dumps(f"{new}/")[1:-1])
