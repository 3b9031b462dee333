"""Settings of an environment: one TOML file, validated before anything is built from it."""

from stacks.settings.environment import GLOBAL_REGION, LAYERS, Settings, keys
from stacks.settings.loading import (
    CONFIG_DIR,
    is_pipeline,
    is_settings_key,
    load_pipeline,
    load_settings,
    platforms,
)
from stacks.settings.pipeline import PipelineSettings
from stacks.settings.placeholders import SANDBOX_ACCOUNT, refuse_placeholders
from stacks.settings.problems import SettingsError

__all__ = [
    "CONFIG_DIR",
    "GLOBAL_REGION",
    "LAYERS",
    "SANDBOX_ACCOUNT",
    "PipelineSettings",
    "Settings",
    "SettingsError",
    "is_pipeline",
    "is_settings_key",
    "keys",
    "load_pipeline",
    "load_settings",
    "platforms",
    "refuse_placeholders",
]
