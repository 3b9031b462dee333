"""What the sandbox runs as a container image: the Dockerfile's last stage, from the source tree."""

import dataclasses
import json
import os
import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from dockerfile_parse import DockerfileParser
from dockerfile_parse.util import extract_key_values

from sandbox.tasks.definition import TaskError


@dataclasses.dataclass(kw_only=True)
class _Stage:
    """What the instructions of a build stage amount to when a container starts."""

    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    workdir: str = "/"
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image:
    """How a container of a service would be started, in terms of this machine.

    Attributes
    ----------
    folder
        The folder of the Dockerfile; it is used as the image's working directory.
    environment
        The image's variables.
    entry_point, command
        The image's process.
    volumes
        Folders of this machine by the paths at which the container has them.
    """

    folder: Path
    workdir: str
    environment: Mapping[str, str]
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    volumes: Mapping[str, Path]

    @classmethod
    def read(cls, folder: Path, volumes: Mapping[str, Path] | None = None) -> Self:
        """Read a folder's Dockerfile.

        Raises
        ------
        TaskError
            If there is none, or an instruction is in a form that the sandbox does not understand.
        """
        dockerfile = folder / "Dockerfile"
        if not dockerfile.is_file():
            raise TaskError(f"{folder} has no Dockerfile")
        stage = _last_stage(dockerfile)
        return cls(
            folder=folder,
            workdir=stage.workdir,
            environment=stage.environment,
            entry_point=stage.entry_point,
            command=stage.command,
            volumes=volumes or {},
        )

    def process(self, *, entry_point: tuple[str, ...] = (), command: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the command line of a container, given what its definition overrides.

        Raises
        ------
        TaskError
            If neither the image nor the definition says what to run.
        """
        # As Docker does: a new entry point drops the image's command.
        words = (entry_point + command) if entry_point else self.entry_point + (command or self.command)
        if not words:
            raise TaskError(f"{self.folder / 'Dockerfile'} has neither CMD nor ENTRYPOINT in its last stage")
        return tuple(self._on_this_machine(word) for word in words)

    def variables(self) -> dict[str, str]:
        """Return the environment that the image gives a process, with this machine's paths in it."""
        variables = {name: self._on_this_machine(value) for name, value in self.environment.items()}
        # The image's own directories exist only in the image; this machine's programs take their place.
        programs = [str(self.folder / ".venv" / "bin"), os.environ.get("PATH", os.defpath)]
        # What a program makes of /tmp, it makes of the folder that this names.
        temporary = {"TMPDIR": str(self.volumes["/tmp"])} if "/tmp" in self.volumes else {}  # noqa: S108
        return temporary | variables | {"PATH": os.pathsep.join(programs)}

    def _on_this_machine(self, text: str) -> str:
        folders = [*self.volumes.items(), (self.workdir.rstrip("/"), self.folder)]
        return ":".join(_moved(part, folders) for part in text.split(":"))  # such as PYTHONPATH


def _moved(path: str, folders: Iterable[tuple[str, Path]]) -> str:
    for prefix, folder in folders:
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            return f"{folder}{path.removeprefix(prefix)}"
    return path


def _last_stage(dockerfile: Path) -> _Stage:
    stages: dict[str, _Stage] = {}
    stage = _Stage()
    for step in DockerfileParser(str(dockerfile)).structure:
        value = step["value"]
        match step["instruction"]:
            case "FROM":
                base, *alias = [word for word in value.split() if not word.startswith("--")]
                parent = stages.get(base, _Stage())
                stage = dataclasses.replace(parent, environment=dict(parent.environment))
                stages |= dict.fromkeys(alias[1:], stage)  # FROM base AS name
            case "ENV":
                pairs = extract_key_values(True, {}, stage.environment, value)
                stage.environment.update(pairs)
            case "WORKDIR":
                stage.workdir = posixpath.join(stage.workdir, value)
            case "ENTRYPOINT":
                stage.entry_point, stage.command = _exec_form(dockerfile, step), ()
            case "CMD":
                stage.command = _exec_form(dockerfile, step)
    return stage


def _exec_form(dockerfile: Path, step: Mapping[str, str]) -> tuple[str, ...]:
    try:
        words = json.loads(step["value"])
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TaskError(
            f"{dockerfile}, line {int(step['startline']) + 1}: {step['instruction']} {step['value']} "
            f'is not in exec form, as in {step["instruction"]} ["python", "-m", "app"]'
        )
    return tuple(words)
