"""The JSON Schema of the settings: completion for editors, and words for what is allowed."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

_NAMES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def json_schema(model: type[BaseModel]) -> str:
    """Return the schema of the file that a model reads."""
    schema = _schema(model) | {"$schema": "http://json-schema.org/draft-07/schema#"}
    # The file's name says it.
    schema["required"] = [key for key in schema["required"] if key != "environment"]
    schema["properties"] = {key: value for key, value in schema["properties"].items() if key != "environment"}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def allowed(model: type[BaseModel], location: Sequence[str]) -> str:
    """Return in words what a setting may be."""
    schema = _schema(model)
    node = _resolved(schema, schema)
    for part in location:
        if part in node.get("properties", {}):
            node = _resolved(schema, node["properties"][part])
        elif "items" in node:
            node = _resolved(schema, node["items"])
        else:
            named = {**node.get("patternProperties", {}), "": node.get("additionalProperties") or {}}
            node = _resolved(schema, next(iter(named.values())))
    return _in_words(node)


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference; of alternatives take the one that is not null."""
    if "anyOf" in node:
        node = node | next(branch for branch in node["anyOf"] if branch.get("type") != "null")
    if "$ref" in node:
        return _resolved(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    return node


def _in_words(node: dict[str, Any]) -> str:
    if "enum" in node:
        return "one of " + ", ".join(json.dumps(choice) for choice in node["enum"])
    words = _NAMES[node["type"]] if "type" in node else "something else"
    low = node.get("minimum", node.get("exclusiveMinimum"))
    if low is not None:
        words += f" {'over' if 'exclusiveMinimum' in node else 'from'} {low}"
    if "maximum" in node:
        words += f" to {node['maximum']}"
    if "multipleOf" in node:
        words += f" in steps of {node['multipleOf']}"
    if "minItems" in node:
        words += f" of {node['minItems']} to {node['maxItems']}"
    if "maxLength" in node:
        words += f" of at most {node['maxLength']} characters"
    if "examples" in node:
        words += f" such as {json.dumps(node['examples'][0], ensure_ascii=False)}"
    return words
