"""The API monitor: how the venue answers, per endpoint, in constant memory.

Percentiles are exact (nearest rank) over the last 256 calls of an endpoint: they show the
venue as it is now, and carry no error of binning. As an estimate of the long run, p95 over 256
calls lies between the true 92nd and 98th percentile (95 % of the time); p50 between the 44th
and the 56th. Counts, errors and the worst latency are since the start.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from engine.model.snapshot import EndpointView

RING = 256
MAX_ENDPOINTS = 64
OTHER = "other"  # where calls go once there are that many endpoints

_CLOCK_SAMPLES = 8
_MINUTE_MS = 60_000
_LONGEST_MS = 3_600_000.0


def percentile(ordered: list[float], fraction: float) -> float:
    """Return the nearest-rank percentile of values in rising order; 0 for none.

    The smallest value that at least the fraction (0 to 1) of all values do not exceed.
    """
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]


class _Endpoint:
    """One endpoint's calls. The view is computed when first asked for after a call."""

    __slots__ = ("_view", "calls", "errors", "name", "ring", "weight", "worst")

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0
        self.errors = 0
        self.weight = 0
        self.worst = 0.0
        self.ring: deque[float] = deque(maxlen=RING)
        self._view: EndpointView | None = None

    def add(self, ms: float, ok: bool, weight: int) -> None:
        self.calls += 1
        self.errors += not ok
        self.weight += weight
        self.ring.append(ms)
        self.worst = max(self.worst, ms)
        self._view = None

    def view(self) -> EndpointView:
        if self._view is None:
            ordered = sorted(self.ring)
            self._view = EndpointView(
                name=self.name,
                calls=self.calls,
                errors=self.errors,
                p50=percentile(ordered, 0.50),
                p95=percentile(ordered, 0.95),
                worst=self.worst,
            )
        return self._view


class WeightUse(NamedTuple):
    """Rate-limit weight used within the running minute; ``limit`` is 0 while unknown."""

    used: int
    limit: int

    @property
    def share(self) -> float:
        """Return the used share of the limit as a fraction, 0 while the limit is unknown."""
        return self.used / self.limit if self.limit else 0.0


class ApiMonitor:
    """Hears of every venue call. Memory is bounded: 64 endpoints of 256 latencies each."""

    def __init__(self) -> None:
        self._endpoints: dict[str, _Endpoint] = {}
        self._minute = -1
        self._own_weight = 0
        self._told_weight = 0
        self._limit = 0
        self._clock: deque[tuple[float, float]] = deque(maxlen=_CLOCK_SAMPLES)

    def record_call(self, endpoint: str, ms: float, ok: bool, now: int, *, weight: int = 0) -> None:
        """Note one call: its latency (ms, failed calls too), outcome and rate-limit weight.

        A latency that is not a number counts as an error of one hour: it cannot look healthy.
        """
        known = self._endpoints.get(endpoint)
        if known is None:
            name = endpoint if len(self._endpoints) < MAX_ENDPOINTS - 1 else OTHER
            known = self._endpoints.setdefault(name, _Endpoint(name))
        readable = not math.isnan(ms)
        known.add(
            min(max(ms, 0.0), _LONGEST_MS) if readable else _LONGEST_MS, ok and readable, weight
        )
        self._roll(now)
        self._own_weight += weight

    def record_weight(self, used: int, limit: int, now: int) -> None:
        """Note what the venue says of the weight used in its running minute."""
        self._roll(now)
        self._told_weight = max(self._told_weight, used)
        self._limit = limit

    def record_clock(self, offset_ms: float, round_trip_ms: float) -> None:
        """Note one measure of our clock against the venue's (ms, positive = we are ahead).

        Its error is at most half the round trip. Measures that are not finite are ignored.
        """
        if math.isfinite(offset_ms) and math.isfinite(round_trip_ms):
            self._clock.append((max(round_trip_ms, 0.0), offset_ms))

    def endpoints(self) -> tuple[EndpointView, ...]:
        """Return every endpoint called so far, by name."""
        return tuple(self._endpoints[name].view() for name in sorted(self._endpoints))

    def weight(self, now: int) -> WeightUse:
        """Return the weight used within the running minute: ours or the venue's, the larger."""
        self._roll(now)
        return WeightUse(max(self._own_weight, self._told_weight), self._limit)

    def weights(self) -> dict[str, int]:
        """Return the weight used per endpoint since the start."""
        return {name: self._endpoints[name].weight for name in sorted(self._endpoints)}

    @property
    def clock_offset_ms(self) -> float:
        """Return the offset measured with the shortest of the last eight round trips."""
        return min(self._clock)[1] if self._clock else 0.0

    @property
    def clock_error_ms(self) -> float:
        """Return how far off ``clock_offset_ms`` may be: half its round trip."""
        return min(self._clock)[0] / 2 if self._clock else math.inf

    def _roll(self, now: int) -> None:
        """Begin to count anew when the minute has changed (venues count in whole minutes)."""
        minute = now // _MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            self._own_weight = self._told_weight = 0
