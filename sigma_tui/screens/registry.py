"""The six views by name; each is imported and mounted at its first visit."""

from __future__ import annotations

from sigma_tui.screens.cockpit import CockpitView
from sigma_tui.screens.view import View

VIEWS = ("cockpit", "explain", "trades", "risk", "strategies", "health")


def make_view(name: str) -> View:
    """Return a new view. Raises ``KeyError`` for an unknown name."""
    return {
        "cockpit": lambda: CockpitView(id="view-cockpit"),
        "explain": _explain,
        "trades": _trades,
        "risk": _risk,
        "strategies": _strategies,
        "health": _health,
    }[name]()


def _explain() -> View:
    from sigma_tui.screens.explain_view import ExplainScreen

    return ExplainScreen(id="view-explain")


def _trades() -> View:
    from sigma_tui.screens.trades import TradesScreen

    return TradesScreen(id="view-trades")


def _risk() -> View:
    from sigma_tui.screens.risk import RiskScreen

    return RiskScreen(id="view-risk")


def _strategies() -> View:
    from sigma_tui.screens.strategies import StrategiesScreen

    return StrategiesScreen(id="view-strategies")


def _health() -> View:
    from sigma_tui.screens.health import HealthScreen

    return HealthScreen(id="view-health")
