"""Strategies as files: one JSON object, small, readable, checked like anything from outside."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from engine.model.market import Pair
from engine.strategies.validation import MAX_BYTES, StrategyError, dump_strategy, parse_strategy
from engine.strategy import Strategy


def export_strategy(strategy: Strategy, path: Path, *, replace: bool = False) -> None:
    """Write a strategy to a file; over an existing one only with ``replace``.

    Raises ``StrategyError`` when it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replace else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, 0o644), "w", encoding="utf-8") as file:
            file.write(dump_strategy(strategy))
    except FileExistsError:
        raise StrategyError(f"{path}: already exists") from None
    except OSError as error:
        raise StrategyError(f"{path}: cannot be written ({error.strerror})") from None


def import_strategy(path: Path, allowed: Iterable[Pair] | None = None) -> Strategy:
    """Read a strategy from a file. Raises ``StrategyError`` naming the file and the field.

    Refuses anything but a regular file of at most ``MAX_BYTES``. The version in the file is
    kept only to be shown: saving gives it the next one of its name.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise StrategyError(f"{path}: not a file")
            data = file.read(MAX_BYTES + 1)
            size = os.fstat(fd).st_size
    except OSError as error:
        raise StrategyError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > MAX_BYTES:
        raise StrategyError(f"{path}: {size:,} bytes; a strategy has at most {MAX_BYTES:,}")
    try:
        return parse_strategy(data, allowed)
    except StrategyError as error:
        raise StrategyError(*(f"{path.name}: {text}" for text in error.problems)) from None
