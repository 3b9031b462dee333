"""The record of an environment that is deployed, and what is needed to use it."""

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from botocore.exceptions import ClientError

from ops.aws import Environment
from ops.console import CliError
from ops.deployments.archive import Archive
from ops.deployments.ledger import Ledger
from ops.deployments.lock import Lock
from ops.paths import ROOT


@dataclass(frozen=True)
class Record:
    """Lock, ledger and archive of an environment, which its state stack made."""

    environment: Environment

    @cached_property
    def _outputs(self) -> dict[str, str]:
        return self.environment.outputs("state")

    @property
    def exists(self) -> bool:
        """Whether there is a record: a first deployment begins with the stack that makes it."""
        try:
            return "LedgerTableName" in self._outputs
        except CliError:
            return False

    @property
    def lock(self) -> Lock:
        """The deploy lock."""
        return Lock(self.environment.dynamodb, self._outputs["LedgerTableName"])

    @property
    def ledger(self) -> Ledger:
        """The entries."""
        return Ledger(self.environment.dynamodb, self._outputs["LedgerTableName"])

    @property
    def archive(self) -> Archive:
        """The assemblies."""
        return Archive(self.environment.s3, self._outputs["AssemblyBucketName"])

    def execution_ended(self, arn: str) -> bool:
        """Return whether a pipeline's execution has ended; one that cannot be asked for has not.

        Parameters
        ----------
        arn
            ``arn:aws:codepipeline:<region>:<account>:<pipeline>:<execution id>``, as leases name it.
        """
        *_, region, _, pipeline, execution = arn.split(":")
        try:
            found = self.environment.codepipeline_in(region).get_pipeline_execution(
                pipelineName=pipeline, pipelineExecutionId=execution
            )
        except ClientError:
            return False
        return found["pipelineExecution"]["status"] not in {"InProgress", "Stopping"}


@dataclass(frozen=True)
class Commit:
    """Git's commit of the working tree, and whether the tree is as it says; empty outside a repository."""

    id: str
    clean: bool

    @classmethod
    def of_tree(cls) -> "Commit":
        """Return that of this folder."""
        identity, changes = git("rev-parse", "HEAD"), git("status", "--porcelain")
        return cls(identity or "", clean=changes == "")


def git(*arguments: str, root: Path = ROOT) -> str | None:
    """Return what git prints; nothing where it fails or is missing."""
    try:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
