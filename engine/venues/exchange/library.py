"""Import one exchange of ccxt without the hundred others.

``import ccxt`` runs a package file that imports every exchange: 3 s and 118 MB. Here the three
packages stand in ``sys.modules`` as empty shells with the right search path, so that only what
is asked for is imported (0.1 s). A shell finds any other exchange or error class when somebody
asks for it, so other users of ccxt in the same process lose nothing.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGES = ("ccxt", "ccxt.async_support", "ccxt.pro")


class _Shell(ModuleType):
    """A package of which only what is asked for is imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        errors = import_module("ccxt.base.errors")
        if name == "Exchange":
            side = "async_support.base" if self.__name__ != "ccxt" else "base"
            value: Any = import_module(f"ccxt.{side}.exchange").Exchange
        elif hasattr(errors, name):
            value = getattr(errors, name)
        else:
            try:
                value = getattr(import_module(f"{self.__name__}.{name}"), name)
            except ImportError as error:
                raise AttributeError(f"module {self.__name__} has no {name}") from error
        setattr(self, name, value)
        return value


def exchange_class(name: str) -> type[Any]:
    """Return ccxt's websocket-capable class of an exchange, e.g. ``binance``."""
    # At DEBUG ccxt logs keys and signed addresses.
    logging.getLogger("ccxt").setLevel(logging.WARNING)
    if "ccxt" not in sys.modules:
        _put_shells()
    found: type[Any] = object
    for package in ("ccxt.async_support", "ccxt.pro"):
        found = getattr(import_module(f"{package}.{name}"), name)
        setattr(sys.modules[package], name, found)  # the import put the module there
    return found


def errors() -> Any:
    """Return the module of ccxt's error classes."""
    if "ccxt" not in sys.modules:
        _put_shells()
    return import_module("ccxt.base.errors")


def _put_shells() -> None:
    spec = find_spec("ccxt")
    if spec is None or spec.origin is None:
        raise ImportError("ccxt is not installed")
    root = Path(spec.origin).parent
    for package in _PACKAGES:
        shell = _Shell(package)
        shell.__path__ = [str(root.joinpath(*package.split(".")[1:]))]
        sys.modules[package] = shell
        parent, _, child = package.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, shell)
