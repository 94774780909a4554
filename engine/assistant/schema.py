"""Reduce a JSON schema to what both Gemini libraries accept as a response schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = ("type", "description", "enum", "format", "required")


def reduced(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema without references, bounds and defaults.

    Bounds are left to our own validation, which names field and range. Raises ``KeyError`` for
    a reference that leads nowhere.
    """
    return _reduce(schema, schema.get("$defs", {}))


def _reduce(node: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        target = shared[str(node["$ref"]).rpartition("/")[2]]
        return _reduce(target, shared)
    out = {key: node[key] for key in _KEPT if key in node}
    if "properties" in node:
        out["properties"] = {
            name: _reduce(item, shared) for name, item in node["properties"].items()
        }
    if isinstance(node.get("items"), Mapping):
        out["items"] = _reduce(node["items"], shared)
    return out
