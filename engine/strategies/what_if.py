"""Try a strategy on stored candles: a backtest in a process of its own.

Another process, and a nice one, because a backtest keeps a core busy for minutes: inside the
engine's process it would hold the interpreter's lock against it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import engine
from engine.model.market import Pair
from engine.risk.limits import RiskLimits
from engine.strategies.validation import dump_strategy, parse_strategy
from engine.strategy import Strategy

NICENESS = 10
_MAX_LINE = 1_000_000
_STOP_S = 2.0


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a strategy would have done. Money in quote currency, rates as fractions, times ms UTC.

    ``None`` stands for a figure that is not defined yet. ``interrupted`` = stopped before the
    end of the candles.
    """

    strategy: str
    start: int
    end: int
    candles: int
    proposals: int
    entries: int
    trades: int
    win_rate: float | None
    expectancy: float | None
    profit_factor: float | None
    sharpe: float | None
    max_drawdown: float
    net_pnl: float
    fees: float
    final_balance: float
    fingerprint: str
    elapsed_s: float
    interrupted: bool


class WhatIfError(Exception):
    """The trial could not be run; the message says why."""


async def what_if(
    strategy: Strategy,
    data: Path,
    *,
    limits: RiskLimits,
    balance: Decimal,
    timeframe: str = "5m",
    pairs: Sequence[Pair] | None = None,
    since: int | None = None,
    until: int | None = None,
    progress: Callable[[float], None] | None = None,
    stop: asyncio.Event | None = None,
) -> WhatIf:
    """Run a strategy over stored candles and return what it did.

    ``progress`` gets the share done, 0 to 1. Setting ``stop`` ends it early with what there is.
    Raises ``WhatIfError`` for candles that cannot be used; cancelling kills the process.
    """
    request = {
        "strategy": dump_strategy(strategy),
        "data": str(data),
        "limits": asdict(limits),
        "balance": str(balance),
        "timeframe": timeframe,
        "pairs": list(pairs) if pairs else None,
        "since": since,
        "until": until,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "engine.strategies.what_if",
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        limit=_MAX_LINE,
        env=os.environ | {"PYTHONPATH": str(Path(engine.__file__).parent.parent)},
    )
    watcher = asyncio.create_task(_stop_when(stop, process))
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(request, default=str).encode() + b"\n")
        return await _follow(process, progress)
    except (BrokenPipeError, ConnectionResetError):
        raise WhatIfError("the trial ended before it began") from None
    finally:
        watcher.cancel()
        await _end(process)


async def _follow(process: Process, progress: Callable[[float], None] | None) -> WhatIf:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        word = json.loads(line)
        if "result" in word:
            return WhatIf(**word["result"])
        if "error" in word:
            raise WhatIfError(word["error"])
        if progress is not None:
            progress(float(word["share"]))
    raise WhatIfError("the trial ended without a result")


async def _stop_when(stop: asyncio.Event | None, process: Process) -> None:
    if stop is not None:
        await stop.wait()
        if process.stdin is not None and not process.stdin.is_closing():
            process.stdin.close()  # the child takes the end of its input for "stop"


async def _end(process: Process) -> None:
    """Leave no process behind: it has ended, or ends now."""
    if process.returncode is None:
        try:
            await asyncio.wait_for(process.wait(), 0 if sys.exc_info()[0] else _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


# In the child


def _main() -> int:
    os.nice(NICENESS)
    request = json.loads(sys.stdin.readline())
    try:
        print(json.dumps({"result": asdict(_run(request))}), flush=True)
        return 0
    except Exception as error:  # noqa: BLE001 - the parent tells it, whatever it was
        print(json.dumps({"error": f"{error}" or type(error).__name__}), flush=True)
        return 1


def _run(request: dict[str, Any]) -> WhatIf:
    from engine.backtest import report
    from engine.backtest.runner import run_backtest
    from engine.market.files import load_directory
    from engine.market.funding import load_funding
    from engine.market.recorded import RecordedMarket

    strategy = parse_strategy(request["strategy"])
    limits = _limits(request["limits"])
    wanted = [Pair(name) for name in request["pairs"]] if request["pairs"] else None
    candles = load_directory(
        Path(request["data"]),
        wanted,
        request["timeframe"],
        request["since"],
        request["until"],
        allowed=limits.allowed_pairs,
    )
    stopped = threading.Event()

    def wait_for_end_of_input() -> None:
        while os.read(0, 1):  # not sys.stdin: its lock would be held when the process ends
            continue
        stopped.set()

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()

    def progress(now: int, end: int) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt  # how the runner is asked to end early, with a result
        share = (now - candles.start) / max(1, end - candles.start)
        print(json.dumps({"share": round(min(1.0, max(0.0, share)), 4)}), flush=True)

    result = asyncio.run(
        run_backtest(
            RecordedMarket(candles),
            strategy=strategy,
            limits=limits,
            balance=Decimal(request["balance"]),
            funding_rates=dict(load_funding(Path(request["data"]), candles.pairs)),
            progress=progress,
        )
    )
    figures = report.as_json(result, "")["metrics"]
    return WhatIf(
        strategy=f"{strategy.name} v{strategy.version}",
        start=result.start,
        end=result.end,
        candles=result.candles,
        proposals=result.proposals,
        entries=result.entries,
        trades=len(result.trades),
        win_rate=figures["win_rate"],
        expectancy=figures["expectancy"],
        profit_factor=figures["profit_factor"],
        sharpe=figures["sharpe"],
        max_drawdown=float(figures["max_drawdown"] or 0.0),
        net_pnl=float(figures["net_pnl"] or 0.0),
        fees=float(figures["fees"] or 0.0),
        final_balance=float(figures["final_balance"]),
        fingerprint=result.fingerprint,
        elapsed_s=result.elapsed_s,
        interrupted=result.interrupted,
    )


def _limits(values: dict[str, Any]) -> RiskLimits:
    values["allowed_pairs"] = tuple(Pair(name) for name in values["allowed_pairs"])
    return RiskLimits(**values)


if __name__ == "__main__":
    raise SystemExit(_main())
