"""Answers in words and columns, for people at a terminal. Pure: JSON values in, lines out."""

from __future__ import annotations

from typing import Any

from sigma_tui.cli.output import minute, number, percent, table

NONE_YET = "-"
LADDER = ("alert", "throttle", "halt", "shutdown")
LATENCIES = ("p50", "p95", "worst")


def status(a: dict[str, Any]) -> list[str]:
    """Return the state in a few lines."""
    breaker, cycle = a["breaker"], a["last_cycle"]
    cause = f" ({breaker['cause']})" if breaker["cause"] else ""
    uptime = "" if a["uptime_s"] is None else f", up {_duration(a['uptime_s'])}, pid {a['pid']}"
    took = "" if cycle["duration_ms"] is None else f", took {cycle['duration_ms']:.0f} ms"
    return [
        f"{a['state'].upper()}  {a['exchange']} {a['mode']}{uptime}",
        *([a["detail"]] if a["live"] and a["detail"] else []),
        f"equity      {number(a['equity'])} USDT, balance {number(a['balance'])}, today "
        f"{_signed(a['day_pnl'])}",
        f"positions   {a['open_positions']} open",
        f"breaker     {breaker['level']}{cause} since {minute(breaker['since'])}",
        f"last cycle  {minute(cycle['time'])} UTC{took}",
    ]


def positions(a: dict[str, Any]) -> list[str]:
    """Return the open positions, shadow ones marked."""
    rows = [
        (
            _base(p["pair"]),
            p["side"] + (" (shadow)" if p["shadow"] else ""),
            p["quantity"],
            _price(p["entry_price"]),
            _price(p["mark_price"]),
            _signed(p["pnl"]),
            number(p["r_multiple"]),
            _price(p["stop_price"]) + _resting(p["stop_order_id"]),
            _price(p["target_price"]) + _resting(p["target_order_id"]),
            minute(p["opened"]),
        )
        for p in (*a["positions"], *a["shadow_positions"])
    ]
    header = (
        "pair", "side", "quantity", "entry", "mark", "PnL", "R", "stop", "target", "opened",
    )  # fmt: skip
    return table(header, rows) if rows else ["no open positions"]


def trades(a: dict[str, Any]) -> list[str]:
    """Return the closed trades and their sum."""
    rows = [
        (
            minute(t["exit_time"]),
            _base(t["pair"]),
            t["side"],
            t["quantity"],
            _price(t["entry_price"]),
            _price(t["exit_price"]),
            _signed(t["pnl"]),
            f"{t['r_multiple']:+.2f}",
            t["exit_reason"],
            t["regime"],
            t["strategy"],
        )
        for t in a["trades"]
    ]
    if not rows:
        return ["no closed trades"]
    header = (
        "closed", "pair", "side", "quantity", "entry", "exit", "PnL", "R", "reason", "regime",
        "strategy",
    )  # fmt: skip
    total = sum(float(t["pnl"]) for t in a["trades"])
    return [*table(header, rows), f"{len(rows)} trades, {_signed(total)} USDT"]


def performance(a: dict[str, Any]) -> list[str]:
    """Return the figures with their readings, then the days."""
    shares = ("win rate", "max drawdown", "exposure time")
    rows = [
        (
            r["name"],
            percent(r["value"]) if r["name"] in shares else number(r["value"]),
            r["words"],
        )
        for r in a["readings"]
    ]
    days = [
        (
            d["date"],
            d["trades"],
            d["wins"],
            _signed(d["pnl"]),
            number(d["fees"]),
            number(d["balance"]),
        )
        for d in a["by_day"]
    ]
    figures = a["metrics"]
    return [
        f"{minute(a['from'])} to {minute(a['to'])} UTC: {_signed(figures['net_pnl'])} USDT net in "
        f"{figures['trades']} trades",
        *table(("figure", "value", "reading"), rows),
        *(["", *table(("day", "trades", "wins", "PnL", "fees", "balance"), days)] if days else []),
    ]


def expectancy(a: dict[str, Any]) -> list[str]:
    """Return what the trades say, window by window."""
    rows = [
        (
            w["name"],
            w["trades"],
            percent(w["win_rate"]),
            number(w["payoff"]),
            _signed(w["expectancy"]),
            _signed(w["expectancy_low"]) + " .. " + _signed(w["expectancy_high"]),
            number(w["expectancy_r"]),
            number(w["kelly"], 3),
        )
        for w in (*a["windows"], a["shadow"])
    ]
    header = (
        "window", "trades", "win rate", "payoff", "expectancy", "95 %", "R", "Kelly",
    )  # fmt: skip
    return [
        f"{a['method']}: {percent(a['risk_fraction'], 2)} of equity at risk per trade"
        + ("; DEGRADING: the newest 30 trades are clearly worse" if a["degrading"] else ""),
        *table(header, rows),
    ]


def signals(a: dict[str, Any]) -> list[str]:
    """Return how every pair stands, then the newest proposals."""
    market = [
        (
            _base(m["pair"]),
            _price(m["price"]),
            f"{m['score']:+.2f}",
            percent(m["confirmation"], 0),
            m["verdict"],
        )
        for m in a["market"]
    ]
    rows = [
        (
            minute(s["time"]),
            _base(s["pair"]),
            s["proposal"],
            number(s["confidence"]),
            s["regime"],
            "taken" if s["action"] != "WAIT" else "shadow" if s["shadow"] else s["blocked_by"],
            s["reason"],
        )
        for s in a["signals"]
    ]
    header = ("time", "pair", "proposal", "conf", "regime", "fate", "reason")
    return [
        *([*table(("pair", "price", "score", "rules", "now"), market), ""] if market else []),
        *(table(header, rows) if rows else ["no proposals"]),
    ]


def regimes(a: dict[str, Any]) -> list[str]:
    """Return every pair's regime."""
    rows = [
        (
            _base(r["pair"]),
            r["regime"],
            number(r.get("confidence")),
            number(r.get("risk_multiplier")),
            number(r.get("adx"), 0),
            percent(r.get("volatility"), 0),
            minute(r.get("since") or r.get("at")),
        )
        for r in a["regimes"]
    ]
    header = ("pair", "regime", "conf", "risk x", "ADX", "volatility", "since")
    return table(header, rows) if rows else ["no regimes known"]


def breaker(a: dict[str, Any]) -> list[str]:
    """Return the level, every reading with its thresholds, and recent changes."""
    until = f", until {minute(a['expires'])} UTC" if a["expires"] else ""
    rows = [
        (
            r["trigger"],
            f"{r['value']:g} {r['unit']}".strip(),
            *(NONE_YET if r[level] is None else f"{r[level]:g}" for level in LADDER),
            r["level"],
        )
        for r in a["readings"]
    ]
    header = ("trigger", "reading", *LADDER, "level")
    return [
        f"{a['level']}{': ' + a['cause'] if a['cause'] else ''}, since {minute(a['since'])} UTC"
        + until,
        *([a["clears"]] if a.get("clears") else []),
        *(table(header, rows) if rows else []),
        *(f"{minute(e['time'])} {e['text']}" for e in a["recent"]),
    ]


def balance(a: dict[str, Any]) -> list[str]:
    """Return the account."""
    names = ("balance", "equity", "available", "unrealised_pnl")
    return [f"{name.replace('_', ' '):<15}{_money(a[name])} {a['currency']}" for name in names]


def api(a: dict[str, Any]) -> list[str]:
    """Return the engine's pulse and its endpoints."""
    endpoints = [
        (e["name"], e["calls"], e["errors"], *(number(e[name], 0) for name in LATENCIES))
        for e in a["endpoints"]
    ]
    tasks = ", ".join(
        f"{t['name']} {t['state']}" + (f" ({t['restarts']} restarts)" if t["restarts"] else "")
        for t in a["tasks"]
    )
    header = ("endpoint", "calls", "errors", "p50 ms", "p95 ms", "worst ms")
    return [
        *(table(header, endpoints) if endpoints else ["no exchange: the market is simulated"]),
        f"tasks      {tasks}",
        f"lateness   p99 {a['tick_gap_p99_ms']:.1f} ms, worst {a['tick_gap_max_ms']:.1f} ms",
        f"memory     {_bytes(a['memory'])}, database {_bytes(a['database_size'])}, logs "
        f"{_bytes(a['log_size'])}",
    ]


def notifications(a: dict[str, Any]) -> list[str]:
    """Return the notifications, unread ones marked."""
    rows = [
        (n["id"], "" if n["read"] else "new", minute(n["time"]), n["level"], n["text"])
        for n in a["notifications"]
    ]
    return table(("id", "", "time", "level", "text"), rows) if rows else ["no notifications"]


def _base(pair: str) -> str:
    return pair.partition("/")[0]


def _price(value: str | float | None) -> str:
    return NONE_YET if value is None else f"{float(value):.8g}"


def _signed(value: str | float | None) -> str:
    return NONE_YET if value is None else f"{float(value):+,.2f}"


def _money(value: str | None) -> str:
    return f"{NONE_YET:>14}" if value is None else f"{float(value):>14,.2f}"


def _resting(order_id: str | None) -> str:
    return "" if order_id else " (NOT resting)"


def _bytes(size: int) -> str:
    return f"{size / 1_048_576:.1f} MB"


def _duration(seconds: float) -> str:
    minutes, hours = int(seconds // 60) % 60, int(seconds // 3600)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {int(seconds % 60)} s"
