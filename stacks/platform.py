"""The platform: all layers of one environment, wired in one direction."""

from pathlib import Path

from constructs import Construct

from gantry.functions.python_asset import PythonSource
from stacks.compute import ComputeStack
from stacks.data import DataStack
from stacks.global_region import GlobalStack
from stacks.network import NetworkStack
from stacks.observability import ObservabilityStack
from stacks.recovery import RecoveryStack
from stacks.security import SecurityStack
from stacks.settings import Settings
from stacks.state import StateStack

ROOT = Path(__file__).resolve().parent.parent


class Platform:
    """All stacks of one environment; app.py, each stage of a pipeline and the tests make it.

    Parameters
    ----------
    scope
        An app or a stage.
    settings
        The environment's settings.
    build_dir
        Where the functions' assets are built and kept.
    """

    def __init__(self, scope: Construct, *, settings: Settings, build_dir: Path) -> None:
        lambda_source = PythonSource(
            root=ROOT / "lambdas", build_dir=build_dir, packages=(ROOT / "contract",)
        )
        self.state = StateStack(scope, settings=settings)
        self.network = NetworkStack(scope, settings=settings, state=self.state.refs)
        self.recovery = self._recovery(scope, settings)
        self.data = DataStack(
            scope,
            settings=settings,
            state=self.state.refs,
            network=self.network.refs,
            recovery=self.recovery.refs if self.recovery else None,
            lambda_source=lambda_source,
        )
        self.compute = ComputeStack(
            scope,
            settings=settings,
            state=self.state.refs,
            network=self.network.refs,
            data=self.data.refs,
            service_dir=ROOT / "service",
        )
        self.security = SecurityStack(
            scope,
            settings=settings,
            state=self.state.refs,
            network=self.network.refs,
            data=self.data.refs,
            compute=self.compute.refs,
            recovery=self.recovery.refs if self.recovery else None,
            lambda_source=lambda_source,
        )
        # Nothing uses it, so that it needs no name here.
        if settings.has_global_stack:
            GlobalStack(scope, settings=settings, state=self.state.refs)
        self.observability = ObservabilityStack(
            scope,
            settings=settings,
            state=self.state.refs,
            network=self.network.refs,
            data=self.data.refs,
            compute=self.compute.refs,
            security=self.security.refs,
        )

    @staticmethod
    def _recovery(scope: Construct, settings: Settings) -> RecoveryStack | None:
        """Return the recovery stack if backups or images are copied to another region."""
        region = settings.recovery.region
        if region is None or not settings.has_recovery_stack:
            return None
        return RecoveryStack(scope, settings=settings, region=region)
