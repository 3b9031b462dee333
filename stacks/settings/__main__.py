"""Prints what is made from the settings' models: JSON Schemas for editors, and a page of documentation.

``python -m stacks.settings > config/settings.schema.json``
``python -m stacks.settings --pipeline > config/pipeline.schema.json``
``python -m stacks.settings --markdown > docs/settings.md``
"""

import sys

from stacks.settings import PipelineSettings, Settings
from stacks.settings.reference import reference
from stacks.settings.schema import json_schema

match sys.argv[1:]:
    case ["--markdown"]:
        sys.stdout.write(reference())
    case ["--pipeline"]:
        sys.stdout.write(json_schema(PipelineSettings))
    case _:
        sys.stdout.write(json_schema(Settings))
