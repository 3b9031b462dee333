"""Kept state says where the sandbox is now."""

import json
from pathlib import Path
from typing import Any

from sandbox.layout import Layout
from sandbox.ports import Ports
from sandbox.relocation import is_copy, previous_root, relocate


def state(root: str, port: int) -> dict[str, Any]:
    """What names ports and the folder, in each form that the state of the services has."""
    return {
        "Port": port, "_port": port, "Value": str(port), "url": f"http://localhost:{port}/000000000000/queue",
        "secret": json.dumps({"host": "127.0.0.1", "port": port}),
        "compact": json.dumps({"port": port, "name": str(port)}, separators=(",", ":")),
        "DNSName": f"127.0.0.1:{port}", "certificate": f"{root}/tls/server.pem",
    }  # fmt: skip


def unrelated(root: str, port: int) -> dict[str, Any]:
    """What only looks like it."""
    return {
        "CodeSize": port, "Digest": f"{port}-0f", "Id": f"arn:{port}", "Account": f"0{port}",
        "Longer": f"{port}0", "Other": f"{root}-elsewhere/tls",
    }  # fmt: skip


def test_every_form_of_a_lost_port_and_of_the_folder_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "new")
    layout.control_plane.mkdir(parents=True)
    ports = Ports(layout.ports)
    old, kept = ports.get("postgres/app"), ports.get("aws")
    layout.location.write_text("/old/place")
    documents = (layout.control_plane / "rds.json", layout.root / "services.json")
    for file in documents:
        file.write_text(json.dumps([state("/old/place", old), unrelated("/old/place", old), {"port": kept}]))
    assert previous_root(layout) == Path("/old/place")
    relocate(layout, ports, ["postgres/app"])
    new = ports.get("postgres/app")
    assert new != old
    assert ports.get("aws") == kept
    assert previous_root(layout) is None
    for file in documents:
        expected = [state(str(layout.root), new), unrelated("/old/place", old), {"port": kept}]
        assert json.loads(file.read_text()) == expected


def test_one_that_was_interrupted_is_finished_with_the_same_ports(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ports = Ports(layout.ports)
    old = ports.get("aws")
    new = ports.others(["aws"])["aws"]
    layout.relocation.write_text(json.dumps({"root": "/old/place", "ports": {"aws": new}}))
    (layout.root / "done.json").write_text(json.dumps({"port": new}))
    (layout.root / "undone.json").write_text(json.dumps({"port": old}))
    relocate(layout, ports, [])
    for name in ("done", "undone"):
        assert json.loads((layout.root / f"{name}.json").read_text()) == {"port": new}
    assert ports.known() == {"aws": new}
    assert not layout.relocation.exists()


def test_a_copy_is_one_whose_original_is_still_there(tmp_path: Path) -> None:
    original, other = Layout(tmp_path / "original"), Layout(tmp_path / "other")
    for layout in (original, other):
        layout.root.mkdir()
        layout.location.write_text(str(original.root))
    assert not is_copy(original)
    assert not is_copy(other)
    Ports(original.ports).get("aws")
    assert is_copy(other)
    (tmp_path / "alias").symlink_to(original.root)
    assert not is_copy(Layout(tmp_path / "alias"))
