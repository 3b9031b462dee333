"""Environments deployed into the account of a sandbox."""

import os
import subprocess
from dataclasses import dataclass, field
from typing import Any

from ops import in_sandbox
from stacks.settings import load_settings
from tests.infrastructure.synthesis import Change, Synthesised, Synthesiser
from tests.integration.platform.conftest import ROOT
from tests.integration.sandbox.emulator import Emulator

# Of the sizes that a laptop runs; all that prod switches on stays on.
SIZES = {"ecs.min_capacity": 1, "ecs.stop_timeout_seconds": 5}


@dataclass(frozen=True)
class SandboxedEnvironment:
    """An environment in the account of a sandbox."""

    name: str
    emulator: Emulator
    synthesise: Synthesiser
    deployed: list[Synthesised] = field(default_factory=list)

    def synthesised(self, change: Change | None = None, **changes: object) -> Synthesised:
        """Return the environment with settings changed, and its stacks too."""
        here = in_sandbox.overrides(load_settings(self.name), sandbox=load_settings("sandbox"))
        changed = {key.replace("__", "."): value for key, value in changes.items()}
        overrides = here | SIZES | changed
        if change is None:
            return self.synthesise(self.name, overrides)
        return self.synthesise.of(load_settings(self.name, overrides=overrides), change)

    def cdk(
        self, command: str, *arguments: str, of: Synthesised | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the CDK CLI on the sandbox, on templates that are synthesised already."""
        assembly = (of or self.synthesised()).assembly.directory
        words = [command, *arguments, "--app", str(assembly), "-c", f"environment={self.name}"]
        variables = os.environ | {"GANTRY_STATE_DIR": str(self.emulator.state_dir)}
        return subprocess.run(
            [str(ROOT / "gantry"), "cdk", *words, "-c", "account=000000000000"],
            env=variables, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip

    def deploy(self, *stacks: str, of: Synthesised | None = None) -> subprocess.CompletedProcess[str]:
        """Deploy stacks, all by default."""
        which = ["--exclusively", *stacks] if stacks else ["--all"]
        return self.cdk("deploy", *which, "--require-approval", "never", "--concurrency", "4", of=of)

    def stack(self, layer: str) -> dict[str, Any]:
        """Describe a layer's stack."""
        return self.emulator.stack(f"gantry-{self.name}-{layer}")

    def url(self) -> str:
        """Return where the service is."""
        return self.emulator.outputs(f"gantry-{self.name}-compute")["ServiceUrl"]


def succeeded(result: subprocess.CompletedProcess[str]) -> bool:
    """Return whether a command succeeded; one that did not says why."""
    if result.returncode:
        print(result.stdout[-3000:], result.stderr[-3000:])  # noqa: T201 - pytest shows it
    return result.returncode == 0
