"""The JSON Schema of `apportion.yaml`, from which editors complete and explain settings."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from apportion.config.settings import Settings


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of the settings as a user writes them, short forms included."""
    schema = Settings.model_json_schema(by_alias=True, mode="validation")
    head = {"$schema": GenerateJsonSchema.schema_dialect, "title": "apportion.yaml"}
    return head | {key: _without_null(value) for key, value in schema.items() if key != "title"}


def _without_null(schema: Any) -> Any:
    """Without the null that stands for "not written": a key without a value is a problem."""
    if isinstance(schema, list):
        return [_without_null(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_null(value) for key, value in schema.items() if (key, value) != ("default", None)}
    options = [each for each in kept.get("anyOf", []) if each != {"type": "null"}]
    if len(options) == 1:
        del kept["anyOf"]
        return options[0] | kept
    return kept | ({"anyOf": options} if options else {})
