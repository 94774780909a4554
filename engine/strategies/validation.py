"""Read a strategy from outside: size, form, version, bounds; every refusal names its field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from engine.model.market import Pair
from engine.strategy import SCHEMA_VERSION, STRATEGY_SCHEMA, Strategy

MAX_BYTES = 64_000
_MAX_PROBLEMS = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_MISSING = object()


class StrategyError(Exception):
    """A strategy cannot be taken; ``problems`` names each field, its value and what is allowed."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def parse_strategy(
    source: str | bytes | Mapping[str, Any], allowed: Iterable[Pair] | None = None
) -> Strategy:
    """Return the strategy a JSON text (or object) defines; pairs outside ``allowed`` are refused.

    Fields left out keep the built-in strategy's values. Raises ``StrategyError``.
    """
    value = _object(source)
    version = value.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise StrategyError(
            f"schema_version = {_shown(version)}: this program reads version {SCHEMA_VERSION}"
        )
    try:
        # Through JSON text: strict there means no "0.5" for 0.5, yet lists for tuples.
        strategy = STRATEGY_SCHEMA.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise StrategyError(*(_problem(item) for item in found[:_MAX_PROBLEMS])) from None
    known = None if allowed is None else tuple(allowed)
    for number, pair in enumerate(strategy.pairs):
        if known is not None and pair not in known:
            names = ", ".join(item.base for item in known)
            raise StrategyError(f"pairs.{number} = {_shown(pair)}: allowed are {names}")
    if _CONTROL.search(strategy.description):
        raise StrategyError("description: holds control characters; plain text is allowed")
    return strategy


def dump_strategy(strategy: Strategy) -> str:
    """Return a strategy as JSON text, indented, keys in the order of the schema."""
    return json.dumps(STRATEGY_SCHEMA.dump_python(strategy, mode="json"), indent=2) + "\n"


def allowed_range(path: str) -> str:
    """Return what the schema allows at a field, in words; "" where it says nothing."""
    schema = STRATEGY_SCHEMA.json_schema()
    node: Any = schema
    each: Any = None
    for part in path.split("."):
        each = node.get("each") if isinstance(node, Mapping) else None
        node = _resolved(node, schema)
        node = node.get("items", {}) if part.isdigit() else node.get("properties", {}).get(part, {})
    node = _resolved(node, schema)
    low, high = each or (node.get("minimum"), node.get("maximum"))
    if path == "pairs":
        return "a list of allowed pairs"
    whole = "a whole number " if node.get("type") == "integer" else ""
    if low is not None and high is not None:
        return f"{whole}from {low:g} to {high:g}"
    if low is not None:
        return f"{whole or 'a number '}{low:g} or more"
    if "maxLength" in node:
        return f"text of at most {node['maxLength']} characters"
    if "pattern" in node:
        return "small letters, digits and hyphens, at most 40, no hyphen first"
    return str({"number": "a number", "integer": "a whole number"}.get(node.get("type", ""), ""))


def _object(source: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(source, Mapping):
        try:
            source = json.dumps(source)
        except (TypeError, ValueError, RecursionError):
            raise StrategyError("the strategy is not plain JSON data") from None
    data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    if len(data) > MAX_BYTES:
        raise StrategyError(f"{len(data):,} bytes: a strategy has at most {MAX_BYTES:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StrategyError("not text: a strategy is a JSON file in UTF-8") from None
    try:
        value = json.loads(text, object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise StrategyError(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise StrategyError("nested too deep for a strategy") from None
    except ValueError:
        raise StrategyError("a number in it is too long") from None
    if not isinstance(value, dict):
        raise StrategyError("a strategy is one JSON object: {...}")
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise StrategyError(f"{_shown(twice)}: given twice")
    return value


def _no_constant(name: str) -> Any:
    raise StrategyError(f"{name}: not a number a strategy may hold")


def _problem(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"])
    kind, given = item["type"], item.get("input", _MISSING)
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{_shown(path)}: no such field"
    if kind == "missing":
        return f"{path}: missing; {allowed_range(path) or 'it must be given'}"
    if kind in ("value_error", "assertion_error"):
        message = str(item["msg"]).removeprefix("Value error, ")
        return f"{path}: {message}" if path else message
    allowed = allowed_range(path)
    said = f"must be {allowed}" if allowed else str(item["msg"])
    return f"{path or 'strategy'} = {_shown(given)}: {said}"


def _shown(value: Any) -> str:
    """Return a refused value, short and printable."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    text = _CONTROL.sub("", text)
    return text if len(text) <= 60 else text[:59] + "…"


def _resolved(node: Any, schema: Mapping[str, Any]) -> Any:
    while isinstance(node, Mapping) and "$ref" in node:
        node = schema["$defs"][str(node["$ref"]).rpartition("/")[2]]
    return node if isinstance(node, Mapping) else {}
