"""The command ``chat``: one question to the assistant about the running engine."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from sigma_tui.cli import asking, context, output
from sigma_tui.cli.failures import DONE, CommandError

if TYPE_CHECKING:
    from engine.assistant.drafts import Draft
    from engine.assistant.session import ChatSession
    from engine.control.client import ControlClient
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the command."""
    chat = commands.add("chat", "ask the assistant one question", chat_command)
    chat.add_argument(
        "words", nargs="+", metavar="TEXT", help='a question, or "/why BTC", "/help" with no model'
    )


def chat_command(args: argparse.Namespace) -> int:
    """Ask, and print the answer as it comes. A draft is only shown, with how to do it."""
    with asking.connected(context.home_of(args)) as client:
        answer = asyncio.run(_ask(args, client, " ".join(args.words)))
    if context.wants_json(args):
        output.json_object(answer)
    if answer["error"]:
        raise CommandError(answer["error"])
    return DONE


async def _ask(args: argparse.Namespace, client: ControlClient, text: str) -> dict[str, Any]:
    from engine.assistant.session import Delta, Done, Drafted, Failed, Note, Sent

    session = _session(args, client)
    quiet = context.wants_json(args)
    answer: dict[str, Any] = {
        "answer": "", "model": "", "sent": [], "drafts": [], "notes": [], "usage": None,
        "error": "",
    }  # fmt: skip
    try:
        async with aclosing(cast(Any, session.ask(text))) as updates:
            async for update in updates:
                match update:
                    case Sent(summary=summary):
                        answer["sent"].append(summary)
                    case Delta(text=piece):
                        if not quiet:
                            sys.stdout.write(piece)
                            sys.stdout.flush()
                    case Note(sentence=sentence):
                        answer["notes"].append(sentence)
                    case Drafted(draft=draft):
                        answer["drafts"].append(_card(draft))
                    case Done():
                        answer["answer"], answer["model"] = update.text, update.model
                        answer["usage"] = asdict(update.usage)
                    case Failed():
                        answer["answer"], answer["error"] = update.text, update.sentence
    finally:
        await session.aclose()
    if not quiet:
        _finish(answer)
    return answer


def _session(args: argparse.Namespace, client: ControlClient) -> ChatSession:
    from engine.assistant.factory import open_model
    from engine.assistant.history import NoHistory
    from engine.assistant.session import ChatSession
    from engine.assistant.sight import RemoteSight
    from engine.ledger.redact import Redactor

    settings = context.settings_of(args)
    key = settings.gemini_api_key.get_secret_value()

    async def ask(name: str, options: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(client.ask, name, **options)

    return ChatSession(
        lambda: open_model(key, settings.gemini_model, settings.gemini_url),
        RemoteSight(ask),
        NoHistory(),
        Redactor(settings.secrets()),
        model_name=settings.gemini_model,
    )


def _card(draft: Draft) -> dict[str, Any]:
    return {
        "title": draft.title,
        "effect": list(draft.effect),
        "reason": draft.reason,
        "typed": draft.typed,
    }


def _finish(answer: dict[str, Any]) -> None:
    """End the line, then tell drafts and remarks."""
    if answer["answer"]:
        output.line()
    for note in answer["notes"]:
        output.hint(note)
    for card in answer["drafts"]:
        output.lines(("", f"Draft: {card['title']}", *(f"  {line}" for line in card["effect"])))
        output.line(f"Nothing has been done. To do it: {card['typed']}")
