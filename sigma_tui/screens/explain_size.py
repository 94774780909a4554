"""The plan and the sizing arithmetic as lines: every factor on its own rung. Pure."""

from __future__ import annotations

from rich.text import Text

from engine.model.decision import Decision, Plan, PortfolioCheck, Sizing, SizingMethod, Verdict
from engine.risk.limits import RiskLimits
from sigma_tui import figures
from sigma_tui.look import Look
from sigma_tui.screens.explain_lines import heading, indented, rung

_FULL_KELLY_TRADES = 100


def plan_lines(look: Look, plan: Plan | None, width: int) -> list[Text]:
    """Return entry, stop and target with their distances, costs and chances."""
    if plan is None:
        return [*heading(look, "PLAN", "", width), look.say(("no trade was planned", "faint"))]
    side = plan.side.value.upper()
    worth = "worthwhile" if plan.worthwhile else "not worth its costs"
    lines = heading(look, "PLAN", f"{side}, {worth}", width)
    risk = abs(plan.entry - plan.stop)
    for name, price, multiple in (
        ("target", plan.target, plan.reward_risk),
        ("entry", plan.entry, None),
        ("stop", plan.stop, -1.0),
    ):
        away = figures.signed_percent(price / plan.entry - 1) if multiple is not None else ""
        note = f"{away}, {multiple:+.1f} R" if multiple is not None else ""
        role = {"target": "gain", "stop": "warn"}.get(name, "strong")
        lines += rung(look, " ", name, figures.price(price), note, width, role)
    lines += rung(look, " ", "1 R", figures.price(risk), "per unit", width)
    lines += rung(
        look, " ", "costs", f"{plan.cost_share_of_r:.0%} of R",
        f"{figures.percent(plan.cost_fraction, 2)} of notional", width,
    )  # fmt: skip
    lines += rung(look, " ", "net reward/risk", f"{plan.net_reward_risk:.2f}", "after costs", width)
    return lines + _chance(look, plan, width)


def _chance(look: Look, plan: Plan, width: int) -> list[Text]:
    if plan.target_first_error <= 0.0:
        return rung(look, " ", "target first", "-", "not simulated", width)
    half = 1.96 * plan.target_first_error
    low, high = max(0.0, plan.target_first - half), min(1.0, plan.target_first + half)
    note = f"95 %: {low:.0%} to {high:.0%}"
    return rung(look, " ", "target first", f"{plan.target_first:.0%}", note, width)


def sizing_lines(look: Look, decision: Decision, limits: RiskLimits, width: int) -> list[Text]:
    """Return the size as a ladder from equity to the quantity that is traded."""
    size = decision.sizing
    if size is None:
        return [*heading(look, "SIZE", "", width), look.say(("nothing was sized", "faint"))]
    method = size.method.value.replace("_", " ")
    lines = heading(look, "SIZE", f"{method}, {size.trades} closed trades", width)
    lines += _base_rungs(look, size, limits, width)
    times = look.glyphs.times
    for name, factor in (
        ("regime", size.regime_multiplier),
        ("volatility", size.volatility_penalty),
        ("degradation", size.degradation_factor),
        ("breaker", size.breaker_factor),
    ):
        lines += rung(look, times, name, f"{factor:.2f}", "", width)
    wanted = (
        size.base_fraction * size.regime_multiplier * size.volatility_penalty
        * size.degradation_factor * size.breaker_factor
    )  # fmt: skip
    capped = size.risk_fraction < wanted * (1 - 1e-9)
    note = f"{figures.percent(wanted, 2)} capped" if capped else ""
    lines += rung(
        look, "=", "risk fraction", figures.percent(size.risk_fraction, 3), note, width, "strong"
    )
    lines += rung(look, times, "equity", figures.money(size.equity), "", width)
    lines += rung(
        look, "=", "money at risk", figures.money(size.money_at_risk), "lost if stopped", width,
        "strong",
    )  # fmt: skip
    lines += rung(look, "/", "stop distance", figures.price(size.stop_distance), "", width)
    lines += rung(look, "=", "quantity", f"{size.quantity:f}", "rounded down", width)
    if size.reason:
        lines += indented(look, size.reason, width, "loss", 2)
    return lines + _limit_rungs(look, decision, width)


def _base_rungs(look: Look, size: Sizing, limits: RiskLimits, width: int) -> list[Text]:
    """Return how the method came to its base fraction of equity."""
    base = figures.percent(size.base_fraction, 3)
    if size.method is not SizingMethod.EMPIRICAL_KELLY or size.kelly is None:
        note = {
            SizingMethod.EXPLORATION: "fixed, short record",
            SizingMethod.SHADOW_REENTRY: "by shadow trades",
            SizingMethod.NO_EDGE: "no proven edge",
        }.get(size.method, "")
        return rung(look, " ", "base risk", base, note, width)
    times = look.glyphs.times
    share = min(1.0, size.trades / _FULL_KELLY_TRADES)
    product = size.kelly * limits.kelly_fraction * share
    capped = size.base_fraction < product * (1 - 1e-9)
    note = f"{figures.percent(product, 2)} capped" if capped else ""
    counted = f"{min(size.trades, _FULL_KELLY_TRADES)} of {_FULL_KELLY_TRADES} trades"
    return [
        *rung(look, " ", "Kelly", f"{size.kelly:.3f}", "", width),
        *rung(look, times, "Kelly fraction", f"{limits.kelly_fraction:.2f}", "", width),
        *rung(look, times, "confidence", f"{share:.2f}", counted, width),
        *rung(look, "=", "base risk", base, note, width),
    ]


def _limit_rungs(look: Look, decision: Decision, width: int) -> list[Text]:
    portfolio = decision.portfolio
    if portfolio is None:
        return []
    verdict = {Verdict.PASS: "fits every limit", Verdict.REDUCE: portfolio.reason}
    note = verdict.get(portfolio.verdict, portfolio.reason)
    role = "strong" if portfolio.verdict is Verdict.PASS else "warn"
    lines = rung(look, look.glyphs.to, "after limits", f"{portfolio.quantity:f}", note, width, role)
    return lines + limit_lines(look, portfolio, width)


def limit_lines(look: Look, portfolio: PortfolioCheck, width: int) -> list[Text]:
    """Return every portfolio limit as a bar: used now, after this trade, allowed."""
    lines = []
    bar_width = 8 if width < 60 else 16
    for check in portfolio.checks:
        share = check.after / check.limit if check.limit > 0 else 1.0
        role = "info" if share <= 0.8 else "warn" if share <= 1.0 else "loss"
        line = look.say(f"  {check.name:<17.17} ")
        line.append_text(look.bar(share, bar_width, role))
        counted = check.limit >= 1 and float(check.limit).is_integer()
        used, after, limit = (
            f"{value:.0f}" if counted else figures.percent(value)
            for value in (check.used, check.after, check.limit)
        )
        to = look.glyphs.to
        line.append_text(look.say((f" {used}{to}{after} of {limit}", "muted")))
        lines.append(line)
    return lines
