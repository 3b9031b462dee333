"""The volumes of a task: empty folders that take the place of what Fargate mounts, and end with it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from sandbox.tasks.definition import ContainerDefinition

_SUFFIX = ".volumes"


def make(run_dir: Path, task_id: str, container: ContainerDefinition) -> Mapping[str, Path]:
    """Return new empty folders by the paths at which the container has its volumes."""
    folder = run_dir / f"{task_id}{_SUFFIX}"
    volumes = {path: folder / str(index) for index, path in enumerate(container.mounts)}
    for each in volumes.values():
        each.mkdir(parents=True)
    return volumes


def remove(run_dir: Path, task_id: str = "*") -> None:
    """Remove the volumes of a task, or of all."""
    for folder in run_dir.glob(f"{task_id}{_SUFFIX}"):
        shutil.rmtree(folder, ignore_errors=True)
