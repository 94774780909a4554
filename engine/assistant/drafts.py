"""Drafts: commands a model proposes, validated and put in words. Nothing here can send one.

A draft is data. The screen shows its card; only a keypress turns it, through ``confirm``,
into a command for the audited command port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.assistant.text import one_line
from engine.model.commands import (
    ClosePosition,
    Command,
    Level,
    Override,
    PauseEntries,
    Recover,
    Source,
    Trip,
)
from engine.model.market import Pair
from engine.model.signal import Side
from engine.model.snapshot import PositionView, Snapshot
from engine.strategies.applying import consequences
from engine.strategies.validation import StrategyError, parse_strategy
from engine.strategy import Strategy

EXPIRES_MS = 300_000  # wall clock: a draft older than this must be asked for again
_MAX_REASON = 200


class DraftRefused(Exception):
    """A proposal makes no sense or may not be drafted; the message says why, with the field."""


class _Proposal(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    reason: str = Field(default="", max_length=2_000)


class _Close(_Proposal):
    draft: Literal["close"]
    pair: str = Field(max_length=40)


class _Halt(_Proposal):
    draft: Literal["halt"]


class _Trip(_Proposal):
    draft: Literal["trip"]
    level: Literal["ALERT", "THROTTLE", "HALT", "SHUTDOWN"]


class _Override(_Proposal):
    draft: Literal["override"]
    level: Literal["CLOSED", "ALERT", "THROTTLE", "HALT"]
    minutes: int = Field(ge=1, le=1_440)


class _Recover(_Proposal):
    draft: Literal["recover"]


class _Pause(_Proposal):
    draft: Literal["pause"]


class _Apply(_Proposal):
    draft: Literal["apply"]
    strategy: str = Field(max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: int | None = Field(default=None, ge=1)


class _Create(_Proposal):
    draft: Literal["strategy"]
    definition: dict[str, Any]


_ANY: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        _Close | _Halt | _Trip | _Override | _Recover | _Pause | _Apply | _Create,
        Field(discriminator="draft"),
    ]
)

# What may be drafted, as the model is told; starting, flattening and ending are not among it.
CATALOGUE = (
    '{"draft":"close","pair":"BTC","reason":"..."}',
    '{"draft":"halt","reason":"..."}',
    '{"draft":"trip","level":"ALERT|THROTTLE|HALT|SHUTDOWN","reason":"..."}',
    '{"draft":"override","level":"CLOSED|ALERT|THROTTLE|HALT","minutes":30,"reason":"..."}',
    '{"draft":"recover","reason":"..."}',
    '{"draft":"pause","reason":"..."}',
    '{"draft":"apply","strategy":"name","version":2,"reason":"..."}',
    '{"draft":"strategy","definition":{...},"reason":"..."}',
)


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """Trade by a saved strategy; ``version`` None means its newest."""

    name: str
    version: int | None


@dataclass(frozen=True, slots=True)
class SaveRequest:
    """Save a strategy as a new version; saving applies nothing."""

    strategy: Strategy


@dataclass(frozen=True, slots=True)
class Draft:
    """One proposal as a card: what it is, exactly what it would do, and why the model thinks so.

    ``effect`` is written here from validated fields, never by the model; ``reason`` is the
    model's own, cleaned. ``lifts_protection`` asks for the same confirmation as the key: a
    typed word where the account is live. ``typed`` is the same as a command line; ``request``
    is None where a draft was only shown from afar. ``made`` is wall time, ms UTC.
    """

    kind: str
    title: str
    effect: tuple[str, ...]
    reason: str
    request: Command | ApplyRequest | SaveRequest | None
    moves_money: bool
    lifts_protection: bool
    typed: str
    made: int


def read_draft(value: Mapping[str, Any], snapshot: Snapshot, now: int) -> Draft:
    """Return a proposal as a draft against the present state (``now``: wall clock, ms UTC).

    Raises ``DraftRefused`` naming the field and what is allowed.
    """
    try:
        proposal = _ANY.validate_python(dict(value))
    except ValidationError as error:
        raise DraftRefused(_sentence(error)) from None
    reason = one_line(proposal.reason, _MAX_REASON)
    because = f"assistant's draft: {reason}" if reason else "assistant's draft"
    build = _BUILDERS[type(proposal)]
    title, effect, request, money, lifts = build(proposal, snapshot, because)
    typed = _typed(request)
    return Draft(proposal.draft, title, effect, reason, request, money, lifts, typed, now)


def still_valid(draft: Draft, snapshot: Snapshot, now: int) -> str:
    """Return why a draft may not be confirmed any more, "" when it may (``now``: wall, ms)."""
    if now - draft.made > EXPIRES_MS:
        return f"the draft is older than {EXPIRES_MS // 60_000} minutes; ask again"
    if draft.request is None:
        return f"it can be confirmed in the cockpit only; or type: {draft.typed}"
    if isinstance(draft.request, ClosePosition):
        view = _position(snapshot, draft.request.pair)
        if view is None:
            return f"no position is open in {draft.request.pair.base} any more"
        if _close_effect(view, snapshot)[0] != draft.effect[0]:
            return f"the {draft.request.pair.base} position has changed since; ask again"
    return ""


def confirm(draft: Draft) -> Command | ApplyRequest | SaveRequest:
    """Return what a draft stands for. To be called from the operator's keypress, only there.

    Raises ``DraftRefused`` for one that was only shown from afar.
    """
    if draft.request is None:
        raise DraftRefused(f"confirm it in the cockpit, or type: {draft.typed}")
    return draft.request


def _typed(request: Command | ApplyRequest | SaveRequest) -> str:
    """Return the command line that does the same; every one asks again before it acts."""
    match request:
        case ClosePosition(pair=pair):
            return f"sigma close {pair.base}"
        case Trip(level=level):
            return f"sigma trip {level}"
        case Override(level=level, seconds=seconds):
            return f"sigma override {level} --minutes {seconds // 60} --reason ..."
        case Recover():
            return "sigma recover --reason ..."
        case ApplyRequest(name=name, version=version):
            return f"sigma strategy apply {name}" + (f" --version {version}" if version else "")
        case SaveRequest(strategy=strategy):
            return f"sigma strategy import FILE (the definition of {strategy.name})"
    return "sigma pause"


# One builder a kind: title, effect, request, moves money, lifts protection


def _close(p: _Close, snapshot: Snapshot, because: str) -> Any:
    try:
        pair = Pair.parse(p.pair)
    except ValueError:
        raise DraftRefused("pair: not a pair; write it as BTC or BTC/USDT") from None
    view = _position(snapshot, pair)
    if view is None:
        raise DraftRefused(f"pair: no position is open in {pair.base}")
    request = ClosePosition(source=Source.ASSISTANT, reason=because, pair=pair)
    return f"Close {pair.base}", _close_effect(view, snapshot), request, True, False


def _close_effect(view: PositionView, snapshot: Snapshot) -> tuple[str, ...]:
    verb = "Sell" if view.side is Side.LONG else "Buy back"
    return (
        f"{verb} {view.quantity} {view.pair.base}, the whole {view.side} position, at market on "
        f"{snapshot.mode} ({snapshot.exchange}).",
        f"At {view.mark:.6g} that is {view.pnl:+,.2f} ({view.r_multiple:+.2f} R) before fees.",
        "Its stop and target are cancelled.",
    )


def _halt(p: _Halt, snapshot: Snapshot, because: str) -> Any:
    return _raise_to(Level.HALT, snapshot, because)


def _trip(p: _Trip, snapshot: Snapshot, because: str) -> Any:
    return _raise_to(Level(p.level), snapshot, because)


def _raise_to(level: Level, snapshot: Snapshot, because: str) -> Any:
    now = snapshot.breaker.level
    if level.rank <= now.rank:
        raise DraftRefused(f"level: the breaker stands at {now} already; trip can only raise it")
    effect = (f"Raise the circuit breaker from {now} to {level}.", _MEANS[level])
    request = Trip(source=Source.ASSISTANT, reason=because, level=level)
    return f"Trip to {level}", effect, request, False, False


def _override(p: _Override, snapshot: Snapshot, because: str) -> Any:
    level, now = Level(p.level), snapshot.breaker.level
    if now is Level.SHUTDOWN:
        raise DraftRefused("level: SHUTDOWN cannot be overridden")
    lifts = level.rank < now.rank
    last = (
        f"THIS LIFTS PROTECTION: {now} was caused by: {_cause(snapshot)}"
        if lifts
        else "Readings may still raise it further; it does not fall below before then."
    )
    effect = (
        f"Pin the circuit breaker at {level} for {p.minutes} minutes; it stands at {now}.",
        _MEANS[level],
        "Exits and stops go on.",
        last,
    )
    request = Override(source=Source.ASSISTANT, reason=because, level=level, seconds=p.minutes * 60)
    return f"Override to {level}", effect, request, False, lifts


def _recover(p: _Recover, snapshot: Snapshot, because: str) -> Any:
    now = snapshot.breaker.level
    if now is Level.SHUTDOWN:
        raise DraftRefused("draft: SHUTDOWN is cleared by a restart with acknowledgement only")
    if now is Level.CLOSED and not snapshot.breaker.pinned:
        raise DraftRefused("draft: the breaker is CLOSED already")
    effect = (
        f"Force the circuit breaker from {now} to CLOSED.",
        f"THIS LIFTS PROTECTION: {now} was caused by: {_cause(snapshot)}",
    )
    return "Recover", effect, Recover(source=Source.ASSISTANT, reason=because), False, True


def _pause(p: _Pause, snapshot: Snapshot, because: str) -> Any:
    if snapshot.entries_paused:
        raise DraftRefused("draft: entries are paused already")
    effect = ("Hold new entries off; scanning, exits and stops go on.",)
    return (
        "Pause entries",
        effect,
        PauseEntries(source=Source.ASSISTANT, reason=because),
        False,
        False,
    )


def _apply(p: _Apply, snapshot: Snapshot, because: str) -> Any:
    name = f"{p.strategy} v{p.version}" if p.version else f"{p.strategy}, its newest version"
    now = one_line(snapshot.strategy, 60)
    effect = (f"Decide by strategy {name} instead of {now}.", *consequences(snapshot))
    return f"Apply {p.strategy}", effect, ApplyRequest(p.strategy, p.version), True, False


def _create(p: _Create, snapshot: Snapshot, because: str) -> Any:
    try:
        strategy = parse_strategy(p.definition, tuple(row.pair for row in snapshot.market))
    except StrategyError as error:
        raise DraftRefused(f"definition: {error}") from None
    effect = (
        f"Save strategy {strategy.name} as a new version. Nothing is traded by it until it is "
        "applied.",
    )
    return f"Save strategy {strategy.name}", effect, SaveRequest(strategy), False, False


_BUILDERS: Mapping[type[Any], Callable[[Any, Snapshot, str], Any]] = {
    _Close: _close,
    _Halt: _halt,
    _Trip: _trip,
    _Override: _override,
    _Recover: _recover,
    _Pause: _pause,
    _Apply: _apply,
    _Create: _create,
}
_MEANS: Mapping[Level, str] = {
    Level.CLOSED: "Entries are allowed at full size.",
    Level.ALERT: "Entries are allowed; a warning shows.",
    Level.THROTTLE: "Entries need confidence 0.70 and take half size.",
    Level.HALT: "No new entries; exits, stops and flatten stay allowed.",
    Level.SHUTDOWN: "No new entries, the engine ends once every position is safe; only a restart "
    "with acknowledgement clears it.",
}


def _position(snapshot: Snapshot, pair: Pair) -> PositionView | None:
    return next((item for item in snapshot.positions if item.pair == pair), None)


def _cause(snapshot: Snapshot) -> str:
    return one_line(snapshot.breaker.cause, 200) or "no stated cause"


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"][1:]) or "draft"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return "draft: one of close, halt, trip, override, recover, pause, apply, strategy"
    return one_line(f"{path}: {first['msg']}", 300)
