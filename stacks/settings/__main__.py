"""Prints the settings' JSON Schema, or with ``--markdown`` their page of documentation.

``python -m stacks.settings > config/settings.schema.json``
"""

import sys

from stacks.settings.reference import reference
from stacks.settings.schema import json_schema

sys.stdout.write(reference() if sys.argv[1:] == ["--markdown"] else json_schema())
