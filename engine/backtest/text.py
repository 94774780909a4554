"""The report of a backtest in words a trader can act on; what was lost is called lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.backtest.breakdown import TRAITS, Group, breakdowns
from engine.backtest.compare import Comparison
from engine.backtest.folds import Walk
from engine.backtest.intervals import Interval
from engine.backtest.lookahead import LookaheadReport
from engine.backtest.null_model import NullFindings
from engine.backtest.report import exits_by_reason, timeframe_name
from engine.backtest.runner import BacktestResult
from engine.backtest.study import Study
from engine.backtest.warmup import WarmupReport
from engine.model.market import DAY_MS
from engine.risk.expectancy import window_stats
from engine.risk.performance import Metrics, Reading
from engine.trace import iso

INTERVALS = (
    ("net_pnl", "net PnL", 2),
    ("expectancy", "PnL per trade", 2),
    ("expectancy_r", "R per trade", 3),
)  # name, words, decimals
_LISTED = 12


def as_text(study: Study) -> list[str]:
    """Return the report for a person, line by line."""
    result, figures = study.result, study.figures
    return [
        *what_ran(study),
        "",
        verdict(result, figures),
        study.edge,
        "",
        *_readings(figures),
        f"{'with open':<14}{study.deepest_fall():>12.1%}  deepest fall of equity, open positions "
        "included",
        *_intervals(study.intervals),
        "",
        *_shares("exits", exits_by_reason(result.trades), len(result.trades)),
        *_shares("proposals blocked by", _largest(result.blocked), result.proposals),
        *_shadow(result),
        *_breakdowns(result),
        *(walk_text(study.walk) if study.walk is not None else ()),
        *(comparison_text(study.comparison) if study.comparison is not None else ()),
        *(null_text(study.null) if study.null is not None else ()),
        "",
        f"fingerprint   {result.fingerprint}",
    ]


def verdict(result: BacktestResult, figures: Metrics) -> str:
    """Return the outcome in one or two plain sentences."""
    if not result.trades:
        return "It closed no trade: there is nothing to judge."
    share = float(figures.net_pnl / result.starting_balance)
    costs = figures.fees + figures.funding
    word = "lost" if figures.net_pnl < 0 else "made"
    gross = figures.net_pnl + costs
    return (
        f"It {word} {abs(figures.net_pnl):,.2f} USDT ({share:+.2%}) in {figures.trades} trades: "
        f"{gross:+,.2f} before costs, {costs:,.2f} of fees and funding. "
        f"Balance {result.starting_balance:,.2f} -> {figures.final_balance:,.2f}."
    )


def what_ran(study: Study) -> Iterator[str]:
    """Say what ran over what, and how far."""
    result = study.result
    names = ", ".join(pair.base for pair in result.pairs)
    days = (result.end - result.start) / DAY_MS
    speed = result.candles / result.elapsed_s if result.elapsed_s > 0 else 0.0
    if study.interrupted:
        yield "INTERRUPTED: what follows covers only the part that ran."
        for part in study.unfinished:
            yield f"not finished: {part}"
    yield f"{names} {timeframe_name(result.candle_ms)}, {iso(result.start)[:16]} to " + (
        f"{iso(result.end)[:16]} UTC ({days:.1f} days)"
    )
    yield (
        f"{result.candles:,} candles, {result.decisions:,} decisions, {result.proposals:,} "
        f"proposals ({result.proposals / max(1, result.decisions):.1%}), {result.entries:,} "
        f"entries; {result.elapsed_s:.1f} s, {speed:,.0f} candles/s"
    )
    if study.strategy:
        yield f"strategy: {study.strategy}"
    if study.funding:
        yield f"funding: {study.funding}"
    for note in study.notes:
        yield f"data: {note}"


def _readings(figures: Metrics) -> Iterator[str]:
    payoff = "-" if figures.payoff_ratio is None else f"{figures.payoff_ratio:.2f}"
    for reading in figures.readings():
        yield f"{reading.name:<14}{value_text(reading):>12}  {reading.words}"
        if reading.name == "win rate":
            yield f"{'payoff ratio':<14}{payoff:>12}  average win / average loss"


def value_text(reading: Reading) -> str:
    """Return a figure as it is written."""
    if reading.value is None:
        return "-"
    if reading.name in ("win rate", "max drawdown", "exposure time"):
        return f"{reading.value:.1%}"
    return f"{reading.value:,.0f}" if reading.name == "sample size" else f"{reading.value:,.2f}"


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _shares(title: str, counts: Sequence[tuple[str, int]], total: int) -> Iterator[str]:
    if counts:
        listed = ", ".join(f"{name} {count} ({count / total:.0%})" for name, count in counts)
        yield f"{title}: {listed}"


def _shadow(result: BacktestResult) -> Iterator[str]:
    shadow = window_stats(result.shadow_trades, "shadow")
    if shadow.trades and shadow.expectancy_r is not None and shadow.win_rate is not None:
        yield (
            f"shadow trades (no money, size was withheld): {shadow.trades}, win rate "
            f"{shadow.win_rate:.0%}, {shadow.expectancy_r:+.2f} R each"
        )


def _intervals(intervals: Mapping[str, Interval | None]) -> Iterator[str]:
    for name, words, digits in INTERVALS:
        value = intervals[name]
        if value is not None and value.low is not None and value.high is not None:
            yield (
                f"{words:<14}{value.value:>12,.{digits}f}  95 % interval "
                f"{value.low:,.{digits}f} to {value.high:,.{digits}f}, whole days drawn"
            )


def _breakdowns(result: BacktestResult) -> Iterator[str]:
    groups = breakdowns(result.trades)
    for trait in TRAITS:
        if groups[trait]:
            yield ""
            yield from group_table(trait, groups[trait])


def group_table(trait: str, groups: Sequence[Group]) -> Iterator[str]:
    """Return the groups of one trait as aligned lines."""
    title = trait.replace("_", " ")
    yield f"{title:<20}{'trades':>7}{'won':>7}{'PnL':>12}{'fees':>10}{'R each':>9}"
    for group in groups:
        yield (
            f"{group.name:<20}{group.trades:>7}{group.win_rate:>7.0%}{group.pnl:>12,.2f}"
            f"{group.fees:>10,.2f}{group.r:>+9.2f}"
        )


def walk_text(walk: Walk) -> Iterator[str]:
    """Return the folds, one a line, and how stable they are."""
    yield ""
    span = f"{'fold':<6}{'from':<18}{'to':<18}"
    yield f"{span}{'trades':>7}{'won':>7}{'PnL':>12}{'R each':>9}{'fall':>8}"
    for number, fold in enumerate(walk.folds, 1):
        figures = fold.figures
        won = "-" if figures.win_rate is None else f"{figures.win_rate:.0%}"
        r = "-" if fold.r is None else f"{fold.r:+.2f}"
        yield (
            f"{number:<6}{_minute(fold.start):<18}{_minute(fold.end):<18}{figures.trades:>7}"
            f"{won:>7}{figures.net_pnl:>12,.2f}{r:>9}{figures.max_drawdown:>8.1%}"
        )
    if not walk.complete:
        yield f"only {len(walk.folds)} of {walk.planned} folds ran to their end"
    spread = "" if walk.spread is None else f", spread {walk.spread:.2%}"
    yield (
        f"{walk.winning} of {len(walk.folds)} folds made money, {walk.losing} lost; "
        f"{walk.mean_return:+.2%} a fold on average{spread}. Every fold began anew."
    )


def comparison_text(found: Comparison) -> Iterator[str]:
    """Return two strategies side by side and what their difference is worth."""
    yield ""
    yield f"{'':<16}{found.name[:20]:>20}{found.other[:20]:>20}"
    own, other = found.figures.readings(), found.other_figures.readings()
    for one, two in zip(own, other, strict=True):
        yield f"{one.name:<16}{value_text(one):>20}{value_text(two):>20}"
    nets = (found.figures.net_pnl, found.other_figures.net_pnl)
    yield f"{'net PnL':<16}{nets[0]:>20,.2f}{nets[1]:>20,.2f}"
    yield difference_sentence(found)


def difference_sentence(found: Comparison) -> str:
    """Return whether the other strategy is better, in one sentence."""
    gap = found.difference
    words = f"{found.other} - {found.name} = {gap.value:+,.2f} USDT"
    if gap.low is None or gap.high is None:
        return f"{words}; one day says nothing about the difference."
    words += (
        f", 95 % interval {gap.low:+,.2f} to {gap.high:+,.2f} by day "
        f"({found.better_days} of {found.days} days better, {found.worse_days} worse)"
    )
    if gap.verdict > 0:
        return f"{words}: {found.other} is better in this span."
    if gap.verdict < 0:
        return f"{words}: {found.other} is worse in this span."
    return f"{words}: no difference is shown."


def null_text(found: NullFindings) -> Iterator[str]:
    """Return the strategy beside random entries."""
    yield ""
    yield (
        f"random entries, {found.seeds} seeds, {found.trades:.0f} trades each (strategy: "
        f"{found.strategy_trades}; shadow trades included)"
    )
    yield f"{'':<32}{'strategy':>10}{'random':>10}{'middle 95 %':>22}{'p':>7}"
    for chance in found.chances:
        if chance.p is None:
            yield f"{chance.name:<32}{'-':>10}"
            continue
        digits = 2 if chance.name == "net PnL" else 3
        middle = f"{chance.low:+,.{digits}f} to {chance.high:+,.{digits}f}"
        yield (
            f"{chance.name:<32}{chance.strategy:>+10,.{digits}f}{chance.mean:>+10,.{digits}f}"
            f"{middle:>22}{chance.p:>7.3f}"
        )
    yield null_sentence(found)


def null_sentence(found: NullFindings) -> str:
    """Return whether the strategy beats random entries."""
    if found.edge_shown:
        return "Its entries are better than random ones beyond luck (p < 0.05)."
    if found.seeds < 19:
        return "No edge over random entries is shown; fewer than 19 seeds cannot show one."
    return "No edge over random entries is shown."


# Probes


def lookahead_text(report: LookaheadReport) -> Iterator[str]:
    """Return what the bias probe found."""
    if report.interrupted:
        yield "INTERRUPTED: the probe did not come to its end."
    cuts = ", ".join(_minute(cut) for cut in report.cuts)
    yield f"runs cut off at {cuts} UTC: {report.compared:,} decisions compared"
    found = report.disagreement
    if found is None:
        if not report.interrupted:
            yield "every decision is the same without the candles after it: no look-ahead"
        return
    yield (
        f"LOOK-AHEAD: {found.pair.base} at {iso(found.time)[:19]} UTC decides otherwise without "
        f"the candles after {iso(found.cut)[:19]}"
    )
    yield f"  {found.field}: {found.whole} with them, {found.truncated} without"


def warmup_text(report: WarmupReport) -> Iterator[str]:
    """Return what the warm-up probe found."""
    if report.interrupted:
        yield "INTERRUPTED: the probe did not come to its end."
    begins = ", ".join(_minute(begin) for begin in report.begins)
    yield (
        f"history beginning at {begins} UTC, {report.warmup:,} candles of warm-up: "
        f"{report.compared:,} decisions compared"
    )
    if report.changed:
        share = len(report.changed) / max(1, report.compared)
        yield f"{len(report.changed)} proposals differ ({share:.2%}):"
        for one in report.changed[:_LISTED]:
            yield f"  {one.pair.base} {_minute(one.time)}: {one.whole}, begun late {one.late}"
        if len(report.changed) > _LISTED:
            yield f"  and {len(report.changed) - _LISTED} more"
    elif not report.interrupted:
        yield "no proposal differs: it does not matter where the history begins"
    for drift in report.drifts:
        share = drift.decisions / max(1, report.compared)
        yield f"  {drift.name:<14}differs in {share:>6.1%}, at most {drift.worst:.1e}: {drift.why}"


def _minute(time: int) -> str:
    return iso(time)[:16].replace("T", " ")
