"""Settings of an environment: one TOML file, validated before anything is built from it."""

from stacks.settings.compute import CONTRACT_VARIABLES
from stacks.settings.environment import GLOBAL_REGION, LAYERS, Settings, keys
from stacks.settings.loading import CONFIG_DIR, is_settings_key, load_settings
from stacks.settings.problems import SettingsError

__all__ = [
    "CONFIG_DIR",
    "CONTRACT_VARIABLES",
    "GLOBAL_REGION",
    "LAYERS",
    "Settings",
    "SettingsError",
    "is_settings_key",
    "keys",
    "load_settings",
]
