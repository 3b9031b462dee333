"""Where the files of a sandbox lie."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Layout:
    """The files below a state directory.

    Attributes
    ----------
    root
        The state directory, absolute.
    """

    root: Path

    @property
    def profile(self) -> Path:
        """Configuration file of AWS's tools and SDKs."""
        return self.root / "aws-config"

    @property
    def ports(self) -> Path:
        """Ports that were given out."""
        return self.root / "ports.json"

    @property
    def location(self) -> Path:
        """Says where the state directory was when the sandbox was last started."""
        return self.root / "location"

    @property
    def relocation(self) -> Path:
        """What is to change in the kept state because folder or ports did; there until that is done."""
        return self.root / "relocation.json"

    @property
    def run(self) -> Path:
        """Identities of the running processes."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Logs of the control plane, the load balancer and the backing servers."""
        return self.root / "logs"

    @property
    def task_logs(self) -> Path:
        """Output of the service's tasks."""
        return self.logs / "tasks"

    @property
    def load_balancer(self) -> Path:
        """What the local load balancer reads."""
        return self.root / "load-balancer"

    @property
    def tls(self) -> Path:
        """The local certificate authority and its certificates."""
        return self.root / "tls"

    @property
    def control_plane(self) -> Path:
        """State of the emulated AWS services."""
        return self.root / "aws"

    @property
    def objects(self) -> Path:
        """Contents of the emulated S3 buckets."""
        return self.root / "s3"

    @property
    def temporary(self) -> Path:
        """Temporary files, such as unpacked Lambda functions; emptied at every start."""
        return self.root / "tmp"

    @property
    def home(self) -> Path:
        """An empty folder that processes call home."""
        return self.root / "home"

    @property
    def databases(self) -> Path:
        """Data directories of the Aurora clusters' PostgreSQL servers."""
        return self.root / "postgres"

    @property
    def caches(self) -> Path:
        """Data directories of the serverless caches' Valkey servers."""
        return self.root / "valkey"
