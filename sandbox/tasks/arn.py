"""Amazon resource names of ECS."""

import dataclasses
from typing import Self


@dataclasses.dataclass(frozen=True)
class ClusterArn:
    """The parts of a cluster's ARN."""

    region: str
    account: str
    name: str

    @classmethod
    def parse(cls, arn: str) -> Self:
        """Take an ARN apart.

        Raises
        ------
        ValueError
            If it is not a cluster's.
        """
        parts = arn.split(":", 5)
        if len(parts) != 6 or not parts[5].startswith("cluster/"):
            raise ValueError(f"not the ARN of an ECS cluster: {arn!r}")
        return cls(parts[3], parts[4], parts[5].removeprefix("cluster/"))

    def task(self, task_id: str) -> str:
        """Return the ARN of a task in the cluster."""
        return f"arn:aws:ecs:{self.region}:{self.account}:task/{self.name}/{task_id}"

    def container(self, task_id: str, container_id: str) -> str:
        """Return the ARN of a container of a task in the cluster."""
        return f"arn:aws:ecs:{self.region}:{self.account}:container/{self.name}/{task_id}/{container_id}"
