"""Who the public DNS says serves a zone: the one thing that Route 53 itself cannot say.

A question of one packet, as RFC 1035 has it (4.1 and 4.1.4): the standard library asks for addresses alone.
"""

import secrets
import socket
import struct
from pathlib import Path

from ops.console import CliError

_RESOLVERS = Path("/etc/resolv.conf")
_NS, _IN, _RECURSE = 2, 1, 0x0100
_POINTER = 0xC0
_SECONDS = 3.0


def name_servers(zone: str) -> frozenset[str]:
    """Return the names of a zone's servers, in lower case, as this machine's resolver finds them.

    Raises
    ------
    CliError
        When no resolver answers.
    """
    question = _name(zone) + struct.pack(">HH", _NS, _IN)
    identity = secrets.randbits(16)
    packet = struct.pack(">HHHHHH", identity, _RECURSE, 1, 0, 0, 0) + question
    for resolver in _resolvers():
        family = socket.AF_INET6 if ":" in resolver else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.settimeout(_SECONDS)
            try:
                asking.connect((resolver, 53))
                asking.send(packet)
                answer = asking.recv(4096)
            except OSError:
                continue
        if answer[:2] == packet[:2]:
            return _servers(answer, len(packet))
    raise CliError(f"No DNS resolver of this machine says who serves {zone}.")


def _resolvers() -> list[str]:
    try:
        lines = _RESOLVERS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and words[1:]]


def _name(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _servers(answer: bytes, offset: int) -> frozenset[str]:
    """Return the servers of an answer whose records begin at an offset."""
    found = set()
    try:
        (records,) = struct.unpack_from(">H", answer, 6)
        for _ in range(records):
            _, offset = _read_name(answer, offset)
            kind, _, _, length = struct.unpack_from(">HHIH", answer, offset)
            offset += 10
            if kind == _NS:
                found.add(_read_name(answer, offset)[0])
            offset += length
    except (IndexError, struct.error) as error:
        raise CliError("The DNS resolver's answer cannot be read.") from error
    return frozenset(found)


def _read_name(answer: bytes, offset: int) -> tuple[str, int]:
    """Return a name, which may go on elsewhere, and where what follows it begins."""
    labels, end, jumps = [], 0, 0
    while length := answer[offset]:
        if length & _POINTER == _POINTER:
            end = end or offset + 2
            offset = struct.unpack_from(">H", answer, offset)[0] & 0x3FFF
            jumps += 1
            if jumps > len(answer):
                raise IndexError(offset)
            continue
        labels.append(answer[offset + 1 : offset + 1 + length].decode("ascii", "replace").lower())
        offset += 1 + length
    return ".".join(labels), end or offset + 1
