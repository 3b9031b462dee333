"""Prints the JSON Schema of the settings: ``python -m stacks.settings > config/settings.schema.json``."""

import sys

from stacks.settings.schema import json_schema

sys.stdout.write(json_schema())
