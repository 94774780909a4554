"""A real engine steered and asked through its socket and through the command line."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from engine.control.client import ControlClient, ControlError, NotRunning
from engine.control.views import VIEWS
from engine.home import Home
from engine.model.commands import Level, Outcome, Source, StartTrading, StopTrading, Trip
from tests.control.conftest import wait_until

STATUS = {
    "state", "exchange", "mode", "pid", "uptime_s", "equity", "balance", "day_pnl",
    "open_positions", "breaker", "last_cycle", "version",
}  # fmt: skip


@pytest.fixture
def client(home):
    with ControlClient(Home(home).socket) as connection:
        yield connection


def test_status_holds_the_contract(client):
    found = client.ask("status")
    assert found.keys() >= STATUS
    assert found["breaker"].keys() >= {"level", "cause", "since", "expires"}
    assert found["last_cycle"].keys() == {"time", "duration_ms"}
    assert (found["exchange"], found["mode"], found["live"]) == ("sim", "paper", True)
    assert found["last_cycle"]["time"].endswith("Z")
    assert found["last_cycle"]["duration_ms"] > 0


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_every_query_answers(client, name):
    assert client.ask(name)["live"] is True


def test_money_is_exact_text_where_promised(client, engine):
    found = client.ask("balance")
    assert all(Decimal(found[name]) > 0 for name in ("balance", "equity", "available"))
    assert Decimal(found["equity"]) - Decimal(found["balance"]) == Decimal(found["unrealised_pnl"])
    assert isinstance(client.ask("status")["balance"], float)


def test_every_pair_has_a_regime_and_a_signal(client):
    assert [r["pair"] for r in client.ask("regimes")["regimes"]] == [
        "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT",
    ]  # fmt: skip
    assert len(client.ask("signals")["market"]) == 3
    assert client.ask("breaker")["readings"]
    assert [w["name"] for w in client.ask("expectancy")["windows"]] == ["30", "100", "500", "all"]
    assert {t["name"] for t in client.ask("api")["tasks"]} >= {"market", "commands"}


def test_commands_change_the_engine(client):
    start = client.do(StartTrading(source=Source.CLI, reason="test"))
    assert start.outcome is Outcome.DONE
    assert client.ask("status")["state"] == "running"
    client.do(Trip(source=Source.CLI, level=Level.HALT, reason="test"))
    found = client.ask("breaker", minutes=60)
    assert found["level"] == "HALT"
    assert any("HALT" in change["text"] for change in found["recent"])
    assert client.ask("status")["state"] == "halted"
    client.do(StopTrading(source=Source.CLI))


def test_a_nonsense_query_is_an_error(client):
    with pytest.raises(ControlError, match="none of status"):
        client.ask("everything")


def test_nobody_there(tmp_path):
    with pytest.raises(NotRunning):
        ControlClient(tmp_path / "engine.sock")


def test_events_arrive_as_they_happen(client, home):
    seen: list[dict] = []
    first = threading.Event()

    def read() -> None:
        for event in client.follow():
            seen.append(event)
            first.set()
            if event["event"] == "CommandHandled":
                return

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(60), "a decision every half second of this market"
    with ControlClient(Home(home).socket) as other:
        other.do(StopTrading(source=Source.SOCKET, reason="heard?"))
    reader.join(60)
    assert not reader.is_alive()
    assert seen[-1]["command"]["reason"] == "heard?"
    assert "signal_generated" in {event["type"] for event in seen}


# The same through the command line


def test_steering_from_the_command_line(sigma, home):
    def there(*words):
        return sigma(*words, "--home", home)

    wait_for_consent = there("start")
    assert wait_for_consent.code == 2
    assert "would allow new entries on sim paper; add --yes" in wait_for_consent.error
    assert there("recover", "--yes").code == 2
    assert there("recover", "--reason", "test", "--yes").code == 0
    started = there("start", "--yes", "--json")
    assert started.json["outcome"] == "done"
    assert there("status", "--json").json["state"] == "running"
    assert there("halt", "--reason", "lunch").code == 0
    assert "lunch" in there("breaker").out
    pinned = there("override", "ALERT", "--minutes", "5", "--reason", "test")
    assert pinned.code == 2
    assert "would pin the breaker, now at HALT" in pinned.error
    assert there("override", "SHUTDOWN", "--minutes", "5", "--reason", "x", "--yes").code == 4
    assert there("recover", "--reason", "again", "--yes").code == 0
    assert there("stop").code == 0
    assert there("pause").code == 0
    assert there("pause", "--resume").code == 0


def test_what_a_safety_rule_refuses_ends_with_4(sigma, home):
    result = sigma("close", "BTC", "--yes", "--home", home, "--json")
    if result.code == 0:  # a position was open: it is not any more
        result = sigma("close", "BTC", "--yes", "--home", home, "--json")
    assert result.code == 4
    assert result.json["outcome"] == "refused"
    assert "no position is open in BTC" in result.error


def test_flatten_says_what_it_would_do_then_does_it(sigma, home):
    asked = sigma("flatten", "--home", home)
    assert asked.code == 2
    assert "would halt entries and close" in asked.error
    assert sigma("flatten", "--yes", "--home", home).code == 0
    assert sigma("positions", "--home", home, "--json").json["positions"] == []
    assert sigma("status", "--home", home, "--json").json["breaker"]["level"] == "HALT"


@pytest.mark.parametrize(
    "name",
    ["status", "positions", "trades", "performance", "expectancy", "signals", "regimes",
     "breaker", "balance", "api", "notifications"],
)  # fmt: skip
def test_every_query_reads_well_and_as_json(sigma, home, name):
    shown = sigma(name, "--home", home)
    assert shown.code == 0
    assert "no engine is running" not in shown.out
    assert sigma(name, "--home", home, "--json").json["live"] is True


def test_a_second_engine_is_refused_and_told_who_holds_the_home(sigma, home):
    pid = sigma("status", "--home", home, "--json").json["pid"]
    result = sigma("run", "--headless", "--home", home)
    assert result.code == 1
    assert f"pid {pid}" in result.error
    assert sigma("db", "migrate", "--home", home).code == 1


def test_records_can_be_looked_at_while_the_engine_runs(sigma, home, place):
    assert sigma("audit", "verify", "--home", home, "--json").json["ok"] is True
    assert sigma("audit", "report", "--home", home).code == 0
    assert sigma("db", "check", "--home", home).out.endswith("sound\n")
    copy = place / "copy.db"
    assert sigma("db", "backup", copy, "--home", home).code == 0
    assert copy.stat().st_size > 0
    assert sigma("db", "backup", copy, "--home", home).code == 1
    events = sigma("events", "--last", "5", "--home", home).out.splitlines()
    assert len(events) == 5
    checks = {c["name"]: c for c in sigma("doctor", "--home", home, "--json").json["checks"]}
    assert checks["engine"]["status"] == "ok"
    assert "pid" in checks["engine"]["detail"]


def test_when_it_has_ended_the_database_answers(sigma, home, engine):
    """The last test of this engine: what was true before is what the records say after."""
    before = sigma("status", "--home", home, "--json").json
    ended = sigma("shutdown", "--yes", "--home", home, "--reason", "the end")
    assert ended.code == 0
    wait_until(lambda: not engine[0].alive())
    assert not Home(home).socket.exists()
    after = sigma("status", "--home", home, "--json").json
    assert after["live"] is False
    assert after.keys() >= STATUS
    assert after["breaker"] == before["breaker"]
    assert after["balance"] == pytest.approx(before["balance"])
    assert after["pid"] is None
    assert "no engine is running; last known at" in sigma("status", "--home", home).out
    for name in ("positions", "trades", "performance", "expectancy", "signals", "regimes",
                 "breaker", "balance", "notifications"):  # fmt: skip
        assert sigma(name, "--home", home, "--json").json["live"] is False
        assert sigma(name, "--home", home).code == 0
    assert sigma("api", "--home", home).code == 3
    assert sigma("halt", "--home", home).code == 3
    for verb in (("read", "1"), ("read",), ("clear",)):
        assert sigma("notifications", *verb, "--home", home).code == 0
    assert sigma("db", "migrate", "--home", home).code == 0
