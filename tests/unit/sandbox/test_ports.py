"""Ports that are chosen once."""

import socket
from pathlib import Path

from sandbox.ports import HOST, Ports, any_free, first_free, is_free


def test_a_name_keeps_its_port(tmp_path: Path) -> None:
    port = Ports(tmp_path / "ports.json").get("aws")
    assert Ports(tmp_path / "ports.json").get("aws") == port
    assert Ports(tmp_path / "ports.json").known() == {"aws": port}


def test_names_have_different_ports(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    assert len({ports.get(name) for name in "abcdef"}) == 6


def test_a_port_in_use_is_not_chosen(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json").get("aws")
    (tmp_path / "ports.json").unlink()
    with socket.socket() as server:
        server.bind((HOST, first))
        server.listen()
        assert not is_free(first)
        assert Ports(tmp_path / "ports.json").get("aws") != first


def test_any_free_port_is_free() -> None:
    assert is_free(any_free())


def test_the_first_free_port_is_neither_taken_nor_in_use() -> None:
    with socket.create_server((HOST, 0)) as server:
        used = server.getsockname()[1]
        with socket.create_server((HOST, 0)) as other:
            taken, free = other.getsockname()[1], any_free()
        assert first_free([used, taken, free], taken={taken}) == free
        assert first_free([used, taken], taken={taken}) is None


def test_two_sandboxes_look_in_different_places(tmp_path: Path) -> None:
    assert Ports(tmp_path / "a.json").get("aws") != Ports(tmp_path / "b.json").get("aws")


def test_a_released_port_is_forgotten(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    ports.get("postgres/app")
    ports.release("postgres/app")
    assert ports.known() == {}
