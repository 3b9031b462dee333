"""What arguments of the CDK CLI say: which command, which environment, and with which settings.

What goes to the account 000000000000 goes to the sandbox: its own environment, and any other one with
`-c account=000000000000`.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.environments import SANDBOX, SANDBOX_ACCOUNT
from ops.aws import settings_of
from ops.console import CliError
from ops.paths import CDK, ROOT, SANDBOX_DIR
from stacks.settings import (
    PipelineSettings,
    Settings,
    SettingsError,
    is_pipeline,
    is_settings_key,
    load_pipeline,
    load_settings,
)

_CONTEXT_OPTIONS = frozenset({"-c", "--context"})
_APP_OPTIONS = frozenset({"-a", "--app"})
_OUTPUT_OPTIONS = frozenset({"-o", "--output"})
# These commands work on the assembly alone; every other one talks to AWS.
_OFFLINE = frozenset(
    {"acknowledge", "ack", "context", "docs", "init", "list", "ls", "notices", "synth", "synthesize"}
)
# These change nothing in an account.
_LOOKING = _OFFLINE | {"diff", "doctor", "drift", "metadata", ""}
# These commands change stacks.
_CHANGING = frozenset({"deploy", "destroy", "import", "rollback", "watch"})
_COMMANDS = (_LOOKING | _CHANGING | {"bootstrap", "gc", "migrate", "publish-assets", "refactor"}) - {""}


@dataclass(frozen=True)
class Arguments:
    """Arguments of the CDK CLI; what they say of settings may be wrong, which is a `CliError`."""

    words: Sequence[str]

    @property
    def command(self) -> str:
        """The CLI's command; nothing when there is none or only its help is asked for."""
        if {"--help", "-h", "--version"}.intersection(self.words):
            return ""
        # Options may come first, with values that are no command; the CLI itself refuses an unknown one.
        pairs = zip(["", *self.words], self.words, strict=False)
        plain = [w for before, w in pairs if w[:1] != "-" and before not in _CONTEXT_OPTIONS]
        return next((w for w in plain if w in _COMMANDS), plain[0] if plain else "")

    @property
    def is_offline(self) -> bool:
        """Whether the command works on the assembly alone."""
        return self.command in _OFFLINE or not self.command

    @property
    def only_looks(self) -> bool:
        """Whether the command changes nothing in an account."""
        return self.command in _LOOKING

    @property
    def changes_stacks(self) -> bool:
        """Whether the command changes stacks."""
        return self.command in _CHANGING

    @property
    def context(self) -> dict[str, str]:
        """What `-c key=value` gives, in all the ways of writing it."""
        given = {}
        for text in self._values(_CONTEXT_OPTIONS):
            key, _, setting = text.partition("=")
            given[key] = setting
        return given

    @property
    def environment(self) -> str:
        """The environment that `-c environment=…` chooses, else ENVIRONMENT, else the sandbox."""
        return self.context.get("environment") or os.environ.get("ENVIRONMENT") or SANDBOX

    @property
    def in_sandbox(self) -> bool:
        """Whether it is the sandbox that they are for."""
        return self.environment == SANDBOX or self._is_other_in_sandbox

    @property
    def is_pipeline(self) -> bool:
        """Whether the environment is a pipeline."""
        try:
            return is_pipeline(self.environment)
        except SettingsError as error:
            raise CliError(str(error)) from error

    @property
    def settings(self) -> Settings:
        """The environment's settings."""
        try:
            return settings_of(self.environment, overrides=self.overrides, in_sandbox=self.in_sandbox)
        except SettingsError as error:
            raise CliError(str(error)) from error

    @property
    def overrides(self) -> dict[str, str]:
        """The settings that `-c` gives, and those that the sandbox replaces."""
        return self._replaced | self._given

    @property
    def deployed(self) -> list[Settings | PipelineSettings]:
        """The settings of the environment, and those of its stages when it is a pipeline."""
        try:
            if not is_pipeline(self.environment):
                return [self.settings]
            pipeline = load_pipeline(self.environment, overrides=self._given)
            return [pipeline, *(load_settings(stage, environ={}) for stage in pipeline.stages)]
        except SettingsError as error:
            raise CliError(str(error)) from error

    @property
    def profile(self) -> str | None:
        """The profile of `--profile`."""
        return next(self._values({"--profile"}), None)

    @property
    def app(self) -> str | None:
        """The program or the assembly of `--app`."""
        return next(self._values(_APP_OPTIONS), None)

    @property
    def output(self) -> Path:
        """The folder into which the CLI has the app synthesised."""
        folder = "cdk.out"
        if self.in_sandbox:
            # The CLI locks its output folder: what may be deployed side by side needs one each.
            own = folder if self.environment == SANDBOX else f"{folder}.{self.environment}"
            folder = str(SANDBOX_DIR / own)
        return ROOT / next(self._values(_OUTPUT_OPTIONS), folder)

    @property
    def command_line(self) -> list[str]:
        """The CDK command with the environment made explicit, so that app.py and this CLI agree on it."""
        words, given = [str(CDK), *self.words], self.context
        for key, value in ({"environment": self.environment} | self._replaced).items():
            if key not in given:
                words += ["--context", f"{key}={value}"]
        if self.in_sandbox and not any(self._values(_OUTPUT_OPTIONS | _APP_OPTIONS)):
            words += ["--output", str(self.output)]
        return words

    def listing(self) -> "Arguments":
        """Return a command that synthesises the same app, and says less than `cdk synth` does."""
        context = [word for each in self._values(_CONTEXT_OPTIONS) for word in ("-c", each)]
        source = ["--app", self.app] if self.app else []
        return Arguments(["list", *context, *source, "--output", str(self.output)])

    def of_assembly(self, directory: Path) -> "Arguments":
        """Return the same command for an assembly that exists."""
        options = _APP_OPTIONS | _OUTPUT_OPTIONS
        pairs = zip(["", *self.words], self.words, strict=False)
        kept = [w for before, w in pairs if w.split("=")[0] not in options and before not in options]
        return Arguments([*kept, "--app", str(directory)])

    def _values(self, options: Collection[str]) -> Iterator[str]:
        """Yield what an option gives, as `--option value` or `--option=value`."""
        for word, following in zip(self.words, [*self.words, ""][1:], strict=True):
            option, _, value = word.partition("=")
            if option in options:
                yield value or following

    @property
    def _given(self) -> dict[str, str]:
        """The settings that `-c` gives."""
        return {key: value for key, value in self.context.items() if is_settings_key(key)}

    @property
    def _is_other_in_sandbox(self) -> bool:
        """Whether another environment than the sandbox's is deployed to the sandbox's account."""
        return self.environment != SANDBOX and self.context.get("account") == SANDBOX_ACCOUNT

    @property
    def _replaced(self) -> dict[str, str]:
        """The settings that the sandbox replaces."""
        if not self._is_other_in_sandbox:
            return {}
        from ops import in_sandbox

        try:
            settings = settings_of(self.environment, in_sandbox=True)
            return in_sandbox.overrides(settings, sandbox=settings_of(SANDBOX))
        except SettingsError as error:
            raise CliError(str(error)) from error
