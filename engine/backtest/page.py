"""The report as one page: figures, tables and plots, nothing loaded from elsewhere, no script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from engine.backtest import svg, text
from engine.backtest.breakdown import TRAITS, Group, breakdowns
from engine.backtest.null_model import NullFindings
from engine.backtest.report import timeframe_name
from engine.backtest.study import Study
from engine.trace import iso

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --rule: #d9dee4;
  --paper: #fff; --gain: #0969da; --loss: #bc4c00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4af; --rule: #353b43;
  --paper: #14181d; --gain: #58a6ff; --loss: #f0883e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 900px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
p.edge { font-weight: 600; border-left: 4px solid var(--loss); padding-left: .8em }
p.edge.shown { border-color: var(--gain) } p.broken { color: var(--loss); font-weight: 700 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5em 0 }
th, td { text-align: right; padding: .15em .8em; border-bottom: 1px solid var(--rule) }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
table.figures td:last-child { text-align: left; color: var(--soft) }
th { color: var(--soft); font-weight: 500 } code { overflow-wrap: anywhere }
figure { margin: 1em 0 } figcaption { color: var(--soft) } svg { width: 100%; height: auto }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif }
.rule { stroke: var(--rule) } .zero { stroke: var(--soft) }
.line { fill: none; stroke: var(--gain); stroke-width: 1.5 }
.fall { fill: var(--loss); fill-opacity: .35; stroke: var(--loss) }
.gain { fill: var(--gain) } .loss { fill: var(--loss) }
.mark { stroke: var(--loss); stroke-width: 2; stroke-dasharray: 5 3 }
"""


def page(study: Study) -> str:
    """Return the page as HTML text."""
    result = study.result
    names = ", ".join(pair.base for pair in result.pairs)
    title = f"Backtest: {names} {timeframe_name(result.candle_ms)}"
    inside = "\n".join(_sections(study))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{inside}\n</body>\n</html>\n"
    )


def _sections(study: Study) -> Iterator[str]:
    result, figures = study.result, study.figures
    for number, sentence in enumerate(text.what_ran(study)):
        broken = ' class="broken"' if study.interrupted and number == 0 else ""
        yield f"<p{broken}>{escape(sentence)}</p>"
    yield f"<p>{escape(text.verdict(result, figures))}</p>"
    shown = " shown" if study.edge_shown else ""
    yield f'<p class="edge{shown}">{escape(study.edge)}</p>'
    yield "<h2>Figures</h2>"
    yield _table(
        ("figure", "value", ""),
        [(r.name, text.value_text(r), r.words) for r in figures.readings()]
        + [("deepest fall of equity", f"{study.deepest_fall():.1%}", "open positions included")]
        + [
            (words, f"{v.value:,.{n}f}", f"95 % interval {v.low:,.{n}f} to {v.high:,.{n}f}")
            for name, words, n in text.INTERVALS
            if (v := study.intervals[name]) and v.low is not None and v.high is not None
        ],
        "figures",
    )
    yield "<h2>Equity</h2>"
    equity = [(result.start, float(result.starting_balance)), *result.equity]
    yield svg.line(equity, "equity, open positions included (USDT)", lambda v: f"{v:,.0f}")
    yield svg.line(svg.falls(equity), "below the highest so far", lambda v: f"{v:.1%}", "fall")
    yield from _breakdowns(study)
    if study.walk is not None:
        yield "<h2>Walk-forward</h2>"
        yield _lines(text.walk_text(study.walk))
        yield svg.bars(
            [str(number) for number in range(1, len(study.walk.folds) + 1)],
            [float(fold.figures.net_pnl) for fold in study.walk.folds],
            "net PnL by fold (USDT)",
            lambda v: f"{v:,.0f}",
        )
    if study.comparison is not None:
        yield "<h2>Comparison</h2>"
        yield _lines(text.comparison_text(study.comparison))
    if study.null is not None:
        yield from _null(study.null)
    yield f"<h2>Fingerprint</h2><p><code>{result.fingerprint}</code></p>"
    yield (
        f"<p>{escape(iso(result.start))} to {escape(iso(result.end))}. Equal code and data give "
        "an equal fingerprint.</p>"
    )


def _breakdowns(study: Study) -> Iterator[str]:
    groups = breakdowns(study.result.trades)
    if not study.result.trades:
        return
    yield "<h2>Where it comes from</h2>"
    for trait in TRAITS:
        title = trait.replace("_", " ")
        if trait in ("hour", "month"):
            yield svg.bars(
                [group.name for group in groups[trait]],
                [float(group.pnl) for group in groups[trait]],
                f"net PnL by {title} (USDT)",
                lambda v: f"{v:,.0f}",
            )
        yield _group_table(title, groups[trait])
    yield svg.histogram([t.r_multiple for t in study.result.trades], "trades by R multiple")


def _group_table(title: str, groups: Sequence[Group]) -> str:
    return _table(
        (title, "trades", "won", "PnL", "fees", "R each"),
        [
            (
                group.name,
                str(group.trades),
                f"{group.win_rate:.0%}",
                f"{group.pnl:,.2f}",
                f"{group.fees:,.2f}",
                f"{group.r:+.2f}",
            )
            for group in groups
        ],
    )


def _null(found: NullFindings) -> Iterator[str]:
    yield "<h2>Against random entries</h2>"
    yield _lines(text.null_text(found))
    chance = found.chances[-1]
    if chance.seeds:
        title = f"{chance.name}: random entries, and the strategy (dashed)"
        yield svg.histogram(chance.seeds, title, chance.strategy)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "groups") -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table class={kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _lines(lines: Iterable[str]) -> str:
    return f"<pre>{escape(chr(10).join(lines).strip(chr(10)))}</pre>"
