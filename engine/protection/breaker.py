"""The circuit breaker: CLOSED -> ALERT -> THROTTLE -> HALT -> SHUTDOWN.

A state machine over readings. Time is an argument, there is no clock and no I/O. Up at once;
down one level at a time, after a cool-down through which every reading stayed healthy. Nothing
here can block an exit: the only answer the breaker gives is about entries.

What the operator may do:

- ``trip`` raises and latches: the level stays until ``recover``.
- ``override`` pins a level for a stated time. A pin at or above the automatic level is a floor:
  anything more severe still takes effect. A pin below it is a ceiling: causes go on being
  recorded and announced and take effect when it ends. No pin loosens SHUTDOWN, nor a ledger or
  audit log that cannot be written.
- ``hold_entries`` keeps entries off for a stated time; ``lift`` ends pin and hold early.
- ``recover`` forces CLOSED and forgets all readings, never from SHUTDOWN.
- ``acknowledge`` clears, after a restart, an unclean stop or the SHUTDOWN of an earlier run.

Time that runs backwards never counts towards a cool-down or an expiry, and ends a ceiling pin.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Self

from engine.model.commands import CommandResult, Level, Outcome
from engine.model.decision import BreakerGate
from engine.model.snapshot import BreakerReadingView, BreakerView
from engine.protection import clearing, record
from engine.protection.feeds import Reading
from engine.protection.ladder import highest
from engine.protection.machine import BACKWARDS_MS, OPERATOR, BreakerMachine, Changes
from engine.protection.record import BreakerRecord, Hold, LadderRecord, Latch, Pin
from engine.protection.triggers import BreakerSettings, Trigger
from engine.protection.wording import clock

Answer = tuple[Changes, CommandResult]


class CircuitBreaker(BreakerMachine):
    """The breaker. Every method that may move it returns the events that tell of the move.

    ``throttled_confidence`` in [0, 1] is what an entry must reach while THROTTLED. Keep
    ``state()`` durable whenever events were returned, before acting on them.
    """

    def __init__(
        self, settings: BreakerSettings | None = None, throttled_confidence: float = 0.70
    ) -> None:
        super().__init__(settings or BreakerSettings(), throttled_confidence)

    # ------------------------------------------------------------------ readings

    def observe(self, trigger: Trigger, value: float, now: int) -> Changes:
        """Take one reading in the trigger's own unit. NaN counts as its mildest breach."""
        return self._take([Reading(trigger, value)], now)

    def record_latency(self, ms: float, now: int) -> Changes:
        """Take the latency of one call (ms); the mean of the last ten counts."""
        return self._take(self._feeds.latency(ms), now)

    def record_order(self, ok: bool, now: int) -> Changes:
        """Take an order's outcome: failures in a row, and their rate within five minutes."""
        return self._take(self._feeds.order(ok, self._watch(now)), now)

    def record_slippage(self, fraction: float, now: int) -> Changes:
        """Take the slippage of a fill (fraction of price, positive = worse than reference)."""
        return self._take([Reading(Trigger.SLIPPAGE, round(100 * fraction, 9))], now)

    def record_equity(self, equity: float, now: int) -> Changes:
        """Take equity (quote currency): its fall from the peak of 15 minutes counts."""
        return self._take(self._feeds.loss(equity, self._watch(now)), now)

    def record_expectancy(
        self,
        n: int,
        expectancy: float,
        low: float,
        high: float,
        shadow_positive: bool,
        now: int,
    ) -> Changes:
        """Take the expectancy of ``n`` closed trades and its 95 % interval (quote currency).

        ``shadow_positive`` makes it count as healthy: the last shadow trades earned.
        """
        upper = max(low, high) if not (math.isnan(low) or math.isnan(high)) else math.nan
        return self._take(self._feeds.expectancy(n, expectancy, upper, shadow_positive), now)

    def record_degradation(self, severity: str, shadow_positive: bool, now: int) -> Changes:
        """Take the strategy monitor's severity, healthy to critical."""
        return self._take(self._feeds.degradation(severity, shadow_positive), now)

    def record_data_age(
        self, candles_late: float, seconds_without_price_with_position: float, now: int
    ) -> Changes:
        """Take how late market data is: candles, and seconds without a price while exposed."""
        return self._take(
            [
                Reading(Trigger.LATE_CANDLES, candles_late),
                Reading(Trigger.PRICE_AGE, seconds_without_price_with_position),
            ],
            now,
        )

    def record_mismatch(self, mismatch: bool, now: int) -> Changes:
        """Take whether balance or positions differ from the ledger without an explanation."""
        return self._take([Reading(Trigger.MISMATCH, float(mismatch))], now)

    def record_clock_offset(self, ms: float, now: int) -> Changes:
        """Take the offset of our clock to the exchange's (ms, either sign)."""
        return self._take([Reading(Trigger.CLOCK_OFFSET, abs(ms))], now)

    def record_write_failure(self, failed: bool, now: int) -> Changes:
        """Take whether the last write to the ledger or the audit log failed."""
        return self._take([Reading(Trigger.WRITE_FAILURE, float(failed))], now)

    def record_pass(
        self,
        *,
        equity: float,
        candles_late: float,
        seconds_without_price: float,
        records_failing: bool,
        now: int,
    ) -> Changes:
        """Take what every decision pass reads: equity, the age of data, and the records."""
        readings = self._feeds.loss(equity, self._watch(now))
        readings.append(Reading(Trigger.LATE_CANDLES, candles_late))
        readings.append(Reading(Trigger.PRICE_AGE, seconds_without_price))
        readings.append(Reading(Trigger.WRITE_FAILURE, float(records_failing)))
        return self._take(readings, now)

    def record_fault(self, sentence: str, now: int) -> Changes:
        """Take a memory or security fault, described in a sentence: SHUTDOWN."""
        return self._take([Reading(Trigger.FAULT, 1.0, sentence)], now)

    def tick(self, now: int) -> Changes:
        """Let time pass: cool-downs, one level at most, and the end of pins and holds."""
        backwards = now < self._now - BACKWARDS_MS
        self._watch(now)
        changes: Changes = []
        if self._feeds.orders:
            changes += self._take([self._feeds.failure_rate(self._now)], now)
        if self._raised:
            changes += self._cool_down(now)
        if self._pin or self._hold:
            changes += self._expire(now, backwards)
        return changes

    # ------------------------------------------------------------------ answers

    @property
    def level(self) -> Level:
        """Return the level in force."""
        return self._level

    @property
    def for_lack_of_edge(self) -> bool:
        """Return whether expectancy or degradation alone keep the level above ALERT.

        Then proposals may be followed as shadow trades: nothing else is wrong.
        """
        return self._lack_of_edge

    @property
    def needs_acknowledgement(self) -> str:
        """Return what the operator has to acknowledge before entries, "" when nothing."""
        if self._left_in_shutdown:
            return self._acknowledge or f"an earlier run ended in SHUTDOWN ({self._cause})"
        return self._acknowledge

    def gate(self, now: int, confidence: float) -> BreakerGate:
        """Return what an entry of a confidence in [0, 1] meets. Cached: nothing is computed."""
        if now >= self._gates_end:  # a ceiling pin is over, though no tick has said so yet
            above, below = self._gates(self._automatic(), self._automatic_cause())
        else:
            above, below = self._above, self._below
        return above if confidence >= above.min_confidence else below

    def view(self, now: int) -> BreakerView:
        """Return the breaker for a screen: readings, thresholds and what would clear it."""
        readings = tuple(
            BreakerReadingView(
                trigger=str(ladder.rule.trigger),
                value=ladder.value,
                unit=ladder.rule.unit,
                alert=ladder.rule.steps.alert,
                throttle=ladder.rule.steps.throttle,
                halt=ladder.rule.steps.halt,
                shutdown=ladder.rule.steps.shutdown,
                level=ladder.level,
            )
            for ladder in self._ladders.values()
        )
        return BreakerView(
            level=self._level,
            cause=self._cause_in_full(),
            since=self._since,
            expires=self._expires(now),
            pinned=self._pin is not None,
            clears=self._clears(now),
            readings=readings,
        )

    # ------------------------------------------------------------------ the operator

    def trip(self, level: Level, reason: str, now: int) -> Answer:
        """Raise to a level and hold it until ``recover``. Never lowers; ends a ceiling pin."""
        if level is Level.CLOSED:
            return _refused("trip only raises; recover forces CLOSED")
        if level.rank < self._level.rank:
            return _refused(f"trip only raises, and the level is {self._level} already")
        self._watch(now)
        held = self._latch.level if self._latch else Level.CLOSED
        if level.rank >= held.rank:
            self._latch = Latch(level, OPERATOR, reason.strip(), self._now)
        if self._pin and self._pin.ceiling:
            self._pin = None
        if level is Level.SHUTDOWN:
            self._left_in_shutdown = False
        end = "a restart with an acknowledgement" if level is Level.SHUTDOWN else "recover"
        detail = f"tripped to {level} by the operator{_because(reason)}; held until {end}"
        return self._settle(now, OPERATOR, detail, always=True), _done(detail)

    def override(self, level: Level, seconds: int, reason: str, now: int) -> Answer:
        """Pin a level for a time (seconds). Replaces an earlier pin. See the module's rules."""
        refusal = self._misused(seconds, reason)
        hard = self._unpinnable()
        if level is Level.SHUTDOWN:
            refusal = "SHUTDOWN cannot be pinned for a time; trip it"
        elif hard.rank > level.rank:
            refusal = f"no override loosens {hard} for {self._automatic_cause()}"
        if refusal:
            return _refused(refusal)
        self._watch(now)
        automatic = self._automatic()
        ceiling = level.rank < automatic.rank
        self._pin = Pin(level, ceiling, self._now + int(1_000 * seconds), reason.strip(), self._now)
        detail = f"pinned at {level} until {clock(self._pin.until)}{_because(reason)}"
        if ceiling:
            detail += f"; {automatic} is due to {self._automatic_cause()} and returns then"
        return self._settle(now, OPERATOR, detail, always=True), _done(detail)

    def hold_entries(self, seconds: int, reason: str, now: int) -> Answer:
        """Keep entries off for a time (seconds), at any level. Replaces an earlier hold."""
        refusal = self._misused(seconds, reason)
        if refusal:
            return _refused(refusal)
        self._watch(now)
        self._hold = Hold(self._now + int(1_000 * seconds), reason.strip(), self._now)
        detail = f"entries held off until {clock(self._hold.until)}{_because(reason)}"
        return self._settle(now, OPERATOR, detail, always=True), _done(detail)

    def lift(self, reason: str, now: int) -> Answer:
        """End a pin and a hold before their time. Readings, latch and cool-downs stay."""
        ended = [name for name, on in (("pin", self._pin), ("hold", self._hold)) if on]
        if not ended:
            return [], _done("there is neither a pin nor a hold to lift")
        self._watch(now)
        self._pin = self._hold = None
        detail = f"{' and '.join(ended)} lifted by the operator{_because(reason)}"
        return self._settle(now, OPERATOR, detail, always=True), _done(detail)

    def recover(self, reason: str, now: int) -> Answer:
        """Force CLOSED: forget readings, latch, pin and hold. Refused from SHUTDOWN."""
        if self._automatic() is Level.SHUTDOWN:
            return _refused("SHUTDOWN ends only with a restart and an acknowledgement")
        if not reason.strip():
            return _refused("recover needs a reason")
        if not (self._raised or self._latch or self._pin or self._hold):
            return [], _done("the breaker is CLOSED and nothing holds it")
        ended = self._automatic_cause() or "what the operator had set"
        for ladder in self._ladders.values():
            ladder.clear()
        self._feeds.clear()
        self._latch = self._pin = self._hold = None
        self._now = now  # also cures a clock that once ran ahead
        detail = f"forced to CLOSED by the operator{_because(reason)}; it ended: {ended}"
        return self._settle(now, OPERATOR, detail, always=True), _done(detail)

    def acknowledge(self, reason: str, now: int) -> Answer:
        """Accept, after a restart, an unclean stop or the SHUTDOWN of an earlier run.

        What else holds a level goes on holding it. Refused for a SHUTDOWN of this run.
        """
        shutdown = self._automatic() is Level.SHUTDOWN
        if shutdown and not self._left_in_shutdown:
            return _refused("this run went to SHUTDOWN: restart it, then acknowledge")
        if not shutdown and not self._acknowledge:
            return [], _done("there is nothing to acknowledge")
        self._watch(now)
        for ladder in self._ladders.values():
            if ladder.level is Level.SHUTDOWN:
                if ladder.rule.trigger is Trigger.ORDER_FAILURES:
                    self._feeds.failures_in_a_row = 0
                ladder.clear()
        if self._latch and self._latch.level is Level.SHUTDOWN:
            self._latch = None
        self._left_in_shutdown = False
        what = self._acknowledge or f"the SHUTDOWN of an earlier run ({self._cause})"
        self._acknowledge = ""
        detail = f"acknowledged{_because(reason)}: {what}"
        return self._settle(now, OPERATOR, detail, always=True), _done(detail)

    # ------------------------------------------------------------------ durability

    def state(self) -> dict[str, Any]:
        """Return all that a restart needs, as JSON-able data."""
        return record.dump(
            BreakerRecord(
                version=record.VERSION,
                saved=self._now,
                level=self._level,
                cause=self._cause,
                since=self._since,
                expires=self._expires(self._now),
                ladders={
                    trigger: LadderRecord(
                        level=ladder.level,
                        reading=ladder.reading,
                        value=ladder.value,
                        since=ladder.since,
                        read_at=ladder.read_at,
                        healthy_ms=ladder.healthy_ms,
                        detail=ladder.detail,
                    )
                    for trigger, ladder in self._ladders.items()
                    if ladder.read_at or ladder.level is not Level.CLOSED
                },
                latch=self._latch,
                pin=self._pin,
                hold=self._hold,
                acknowledge=self._acknowledge,
                failures_in_a_row=self._feeds.failures_in_a_row,
                orders=list(self._feeds.orders),
                equity=list(self._feeds.equity.buckets),
            )
        )

    @classmethod
    def restored(
        cls,
        state: dict[str, Any] | None,
        now: int,
        clean: bool,
        *,
        settings: BreakerSettings | None = None,
        throttled_confidence: float = 0.70,
    ) -> tuple[Self, list[str]]:
        """Return the breaker as it was left, and sentences about what was found.

        Time while it was down counts for no cool-down. A record that cannot be trusted gives
        HALT until the operator recovers (SHUTDOWN where it names that). After an unclean stop
        entries wait for ``acknowledge``.
        """
        breaker = cls(settings, throttled_confidence)
        breaker._now = now
        notes: list[str] = []
        if state is not None:
            try:
                breaker._resume(record.load(state), now, notes)
            except record.BreakerRecordError as error:
                breaker._distrust(state, error, now, notes)
        if not clean:
            breaker._acknowledge = "the last run did not stop cleanly"
            notes.append("the last run did not stop cleanly: entries wait for an acknowledgement")
        breaker._left_in_shutdown = breaker._automatic() is Level.SHUTDOWN
        since = breaker._since
        breaker._settle(now, "restart", "")
        breaker._since = since or now
        return breaker, notes

    def _resume(self, left: BreakerRecord, now: int, notes: list[str]) -> None:
        """Take a trusted record over. A clock that went back while down shifts its times."""
        back = max(0, left.saved - now)
        for trigger, kept in left.ladders.items():
            ladder = self._ladders[trigger]
            ladder.level, ladder.reading, ladder.value = kept.level, kept.reading, kept.value
            ladder.since, ladder.read_at = min(kept.since, now), min(kept.read_at, now)
            ladder.healthy_ms, ladder.detail = kept.healthy_ms, kept.detail
        self._raised = self._find_raised()
        self._feeds.failures_in_a_row = left.failures_in_a_row
        self._feeds.orders.extend((time - back, ok) for time, ok in left.orders)
        self._feeds.equity.buckets.extend((time - back, peak) for time, peak in left.equity)
        self._latch, self._acknowledge = left.latch, left.acknowledge
        if left.pin:
            self._pin = replace(left.pin, until=max(0, left.pin.until - back))
        if left.hold:
            self._hold = replace(left.hold, until=max(0, left.hold.until - back))
        self._since = min(left.since, now)
        if self._effective().rank < left.level.rank:
            raise record.BreakerRecordError(f"it claims {left.level} but nothing in it holds that")
        if back > BACKWARDS_MS and self._pin and self._pin.ceiling:
            self._pin = None
            notes.append("the clock went back while the engine was down: the override has ended")
        if self._effective() is not Level.CLOSED:
            notes.append(f"the breaker comes back at {self._effective()}: {left.cause}")

    def _distrust(
        self, state: object, error: record.BreakerRecordError, now: int, notes: list[str]
    ) -> None:
        """Take nothing from a record that cannot be trusted: HALT until the operator recovers."""
        for ladder in self._ladders.values():
            ladder.clear()
        self._raised = ()
        self._feeds.clear()
        self._pin = self._hold = None
        level = highest(Level.HALT, record.level_claimed(state))
        reason = f"the breaker's record cannot be trusted: {error}"
        self._latch = Latch(level, "breaker record", reason, now)
        self._since = now
        notes.append(f"{reason}; {level} until the operator decides")

    # ------------------------------------------------------------------ for verbs and views

    def _misused(self, seconds: int, reason: str) -> str:
        """Return why an override or a hold is refused, "" when it is not."""
        longest = self.settings.longest_override_s
        if not reason.strip():
            return "an override needs a reason"
        if not 1 <= seconds <= longest:
            return f"an override lasts 1 s to {longest} s, not {seconds}"
        return ""

    def _cause_in_full(self) -> str:
        """Return the readings behind the level, or the operator's words."""
        parts = []
        if self._acknowledge:
            parts.append(self._acknowledge)
        if self._pin:
            parts.append(f"pinned at {self._pin.level} by the operator ({self._pin.reason})")
        if self._hold:
            parts.append(f"entries held off by the operator ({self._hold.reason})")
        if self._latch:
            parts.append(
                f"{self._latch.level} by {self._latch.cause}{_because(self._latch.reason)}"
            )
        parts += [ladder.detail for ladder in self._holding()]
        return "; ".join(parts)

    def _expires(self, now: int) -> int | None:
        """Return when pin, cool-down or hold ends (ms UTC); None where nothing runs."""
        if self._pin:
            return self._pin.until
        if not (self._latch and self._latch.level is self._level):
            pending = max(0, now - self._now)
            left = clearing.remaining_ms(self._level, self._holding(), self.settings, pending)
            if left is not None:
                return now + left
        return self._hold.until if self._hold else None

    def _clears(self, now: int) -> str:
        sentence = clearing.what_clears(
            self._automatic(),
            self._holding(),
            self._latch,
            self.settings,
            max(0, now - self._now),
            self._left_in_shutdown,
        )
        return clearing.with_operator(sentence, self._pin, self._hold, self._acknowledge)


def _because(reason: str) -> str:
    return f" ({reason.strip()})" if reason.strip() else ""


def _done(detail: str) -> CommandResult:
    return CommandResult(Outcome.DONE, detail)


def _refused(detail: str) -> Answer:
    return [], CommandResult(Outcome.REFUSED, detail)
