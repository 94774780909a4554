"""Commands that rehearse protection: ``drill`` and the trial of notifications."""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from typing import TYPE_CHECKING

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, CommandError, UsageError

if TYPE_CHECKING:
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    commands.add("drill", "break things on a simulated market and watch the breaker", drill_command)


def drill_command(args: argparse.Namespace) -> int:
    """Play the fault drill; nothing of it touches the home, the network or an account."""
    from engine.protection.drill import drill

    say = (lambda text: None) if context.wants_json(args) else output.line
    log = logging.getLogger("engine")
    before = log.level
    log.setLevel(logging.CRITICAL)  # the drill's own faults are no news
    try:
        scenes = asyncio.run(drill(say))
    finally:
        log.setLevel(before)
    stuck = [scene.name for scene in scenes if not scene.cleared]
    if context.wants_json(args):
        output.json_object(
            {
                "scenes": [
                    {
                        "name": scene.name,
                        "highest": str(scene.highest),
                        "cleared": scene.cleared,
                        "lines": [
                            {"seconds": at, "level": str(level), "text": text}
                            for at, level, text in scene.lines
                        ],
                    }
                    for scene in scenes
                ],
                "ok": not stuck,
            }
        )
    else:
        output.lines(f"{scene.highest:<9} and back  {scene.name}" for scene in scenes)
    if stuck:
        raise CommandError(f"drill: not cleared: {', '.join(stuck)}")
    return DONE


def try_notifications(args: argparse.Namespace) -> int:
    """Send one test message over every address of NOTIFY_URLS."""
    from engine.ledger.redact import Redactor
    from engine.notify.notifier import try_channels
    from engine.notify.setup import channels_of

    settings = context.settings_of(args)
    channels = channels_of(settings)
    if not channels:
        raise UsageError(
            "notifications test: NOTIFY_URLS is empty; docs/notifications.md shows what to write"
        )
    results = try_channels(channels, Redactor(settings.secrets()), int(time.time() * 1_000))
    if context.wants_json(args):
        output.json_object(
            {
                "channels": [
                    {"name": name, "ok": not problem, "detail": problem, "ms": ms}
                    for name, problem, ms in results
                ],
                "ok": not any(problem for _, problem, _ in results),
            }
        )
    else:
        for name, problem, ms in results:
            output.line(f"{name}: {problem or f'sent in {ms} ms'}")
    failed = [name for name, problem, _ in results if problem]
    if failed:
        raise CommandError(f"notifications test: {len(failed)} of {len(results)} did not arrive")
    return DONE
