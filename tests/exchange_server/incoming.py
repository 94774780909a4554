"""One HTTP request as the dialects see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import orjson

Reply = tuple[int, Any]


@dataclass
class Incoming:
    """Method, path, raw query string and raw body; headers are case-insensitive."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]

    @cached_property
    def params(self) -> dict[str, Any]:
        """Return the parameters of query and body, form or JSON, together."""
        params: dict[str, Any] = dict(parse_qsl(self.query, keep_blank_values=True))
        if self.body.lstrip().startswith("{"):
            try:
                params |= orjson.loads(self.body)
            except orjson.JSONDecodeError:
                return params
        else:
            params |= dict(parse_qsl(self.body, keep_blank_values=True))
        return params

    @property
    def symbol(self) -> str | None:
        return self.params.get("symbol")
