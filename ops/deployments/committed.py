"""Settings of an environment as they were committed, for when those of the working tree cannot be used."""

import tempfile
from contextlib import suppress
from pathlib import Path

from ops.aws import settings_of
from ops.console import err
from ops.deployments.connection import git
from ops.paths import ROOT
from stacks.settings import CONFIG_DIR, Settings, SettingsError

_COMMITS = 20


def settings_or_committed(name: str, root: Path = ROOT) -> Settings:
    """Return an environment's settings: the working tree's, else those of the newest commit that can be used.

    A rollback needs them to find the environment, and the broken version may have broken them.

    Raises
    ------
    SettingsError
        When no commit has any either; it says what is wrong with the working tree's.
    """
    try:
        return settings_of(name, config_dir=root / CONFIG_DIR.name)
    except SettingsError as error:
        file = f"{CONFIG_DIR.name}/{name}.toml"
        for commit in (git("log", f"-{_COMMITS}", "--format=%H", "--", file, root=root) or "").split():
            with suppress(SettingsError), tempfile.TemporaryDirectory() as folder:
                (Path(folder) / f"{name}.toml").write_text(
                    git("show", f"{commit}:{file}", root=root) or "", encoding="utf-8"
                )
                found = settings_of(name, config_dir=Path(folder))
                err.print(f"{error}\nThose of commit {commit[:7]} are used to find it.", markup=False)
                return found
        raise
