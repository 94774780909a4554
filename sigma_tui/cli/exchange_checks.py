"""What ``doctor`` asks an exchange: whatever a start would check, without starting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.settings import Settings
    from engine.venues.exchange.session import Session

OK, WARN, FAIL = "ok", "warn", "fail"
ANSWER_S = 20.0
LATE_MS = 1_000
NAMES = ("exchange", "clock offset", "key permissions", "margin mode", "minimum notional")

Finding = tuple[str, str, str]  # name, status, detail


def exchange_findings(settings: Settings) -> list[Finding]:
    """Return what an exchange says of reachability, clock, key, modes and smallest orders."""
    if settings.exchange == "sim":
        return [("exchange", OK, "simulated: there is nothing to reach")]
    return asyncio.run(_ask(settings))


async def _ask(settings: Settings) -> list[Finding]:
    from engine.exchange_stage import session_config
    from engine.ledger.redact import Redactor
    from engine.venues.exchange.session import Session
    from engine.venues.port import VenueError

    session = Session(session_config(settings, settings.pairs), redact=Redactor(settings.secrets()))
    failed = ""
    try:
        await asyncio.wait_for(session.open(), ANSWER_S)
    except TimeoutError:
        failed = f"no answer within {ANSWER_S:.0f} s; check the network"
    except VenueError as error:
        failed = f"{error}"
    finally:
        await session.close()
    return list(_findings(settings, session, failed))


def _findings(settings: Settings, session: Session, failed: str) -> Iterator[Finding]:
    """Yield what was found up to where it failed; what comes after is not checked."""
    name = session.dialect.name
    passed = {
        "exchange": f"{name} answers, {len(session.data.markets or {})} markets",
        "clock offset": f"{session.offset_ms:+.0f} ms",
        "key permissions": "may trade futures",
        "margin mode": "one-way, single-asset; isolated margin is set with each entry",
        "minimum notional": _smallest(session),
    }
    if not session.config.signed:
        passed |= dict.fromkeys(("key permissions", "margin mode"), "not needed on paper")
    for check in NAMES:
        if failed and check == session.checking:
            yield check, FAIL, failed
            return
        if failed and check == "clock offset" and not session.data.markets:
            continue  # a key that is missing is noticed before anything is asked
        if failed and check == "exchange" and not session.data.markets:
            continue
        if check == "clock offset" and abs(session.offset_ms) > LATE_MS:
            yield check, WARN, f"{passed[check]}; set this machine's clock (NTP)"
        else:
            yield check, OK, passed[check]
    for note in session.notes:
        yield "exchange", WARN, note
    lower = [
        f"{pair.base} {rules.max_leverage}x"
        for pair, rules in session.instruments.items()
        if rules.max_leverage < settings.default_leverage
    ]
    if lower:
        yield "leverage", WARN, f"{', '.join(lower)} at most; lower DEFAULT_LEVERAGE"


def _smallest(session: Session) -> str:
    by_size: dict[Decimal, list[str]] = {}
    for pair, rules in session.instruments.items():
        by_size.setdefault(rules.min_notional, []).append(pair.base)
    return "; ".join(
        f"{size:f} USDT: {', '.join(names)}" for size, names in sorted(by_size.items())
    )
