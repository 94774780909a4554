"""Choose the model: google-genai when it is installed, else google-generativeai.

Nothing of either is imported before ``open_model`` runs; run it in a thread, it takes a second.
"""

from __future__ import annotations

from importlib.util import find_spec

from engine.assistant.errors import NoKey, NotInstalled
from engine.assistant.pacing import STALL_S
from engine.assistant.port import ChatModel


def library() -> str:
    """Return the library that would be used, "" when neither is installed; imports neither."""
    for module, name in (
        ("google.genai", "google-genai"),
        ("google.generativeai", "google-generativeai"),
    ):
        try:
            if find_spec(module) is not None:
                return name
        except ModuleNotFoundError:
            continue  # no google package at all
    return ""


def open_model(key: str, model: str, url: str = "", *, stall_s: float = STALL_S) -> ChatModel:
    """Return the model of a key. Raises ``NoKey`` or ``NotInstalled``."""
    if not key:
        raise NoKey
    chosen = library()
    try:
        if chosen == "google-genai":
            from engine.assistant.google_new import Gemini

            return Gemini(key, model, url, stall_s)
        if chosen:
            from engine.assistant.google_legacy import LegacyGemini

            return LegacyGemini(key, model, url, stall_s)
    except ImportError as error:
        raise NotInstalled(str(error)) from error
    raise NotInstalled("neither is installed")
