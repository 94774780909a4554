"""No secret survives: logs, records, events, screens and errors, forced to hold some."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine.execution.redaction import redacted
from engine.ledger.redact import Redactor
from engine.model.commands import ClosePosition, Outcome, Source
from engine.model.commands import CommandResult as Result
from engine.model.events import CommandHandled, Noticed, PositionOpened, Severity
from engine.model.market import Pair
from engine.model.orders import ReduceOrder
from engine.venues.port import NotExecuted, OrderReport, Refusal, VenueOrderRequest
from sigma_tui.cli.entry import execute
from tests.engine.live import BEGIN, HOUR, Run, SmallEngine, settings

KEY, SECRET, TOKEN = "AKEYakey1234567890", "s3cr3ts3cr3t", "hooktoken12345"
SIGNED = (
    f"POST https://fapi.binance.com/fapi/v1/order?symbol=BTC&signature=0123abcd&apiKey={KEY} "
    f"timed out; X-MBX-APIKEY: {KEY}; secret was {SECRET}"
)
FORBIDDEN = (KEY, SECRET, TOKEN, "0123abcd")


def clean(text: str) -> None:
    for secret in FORBIDDEN:
        assert secret not in text


def test_a_commands_words_and_result_are_cleaned() -> None:
    redact = Redactor([KEY, SECRET])
    event = CommandHandled(
        time=1,
        command=ClosePosition(source=Source.CLI, pair=Pair.parse("BTC"), reason=f"key {KEY}"),
        result=Result(Outcome.FAILED, SIGNED),
    )
    cleaned = redacted(event, redact)
    assert isinstance(cleaned, CommandHandled)
    clean(str(cleaned))
    assert cleaned.command.source is Source.CLI
    assert cleaned.result.outcome is Outcome.FAILED


def test_an_event_without_secrets_stays_the_very_same() -> None:
    event = Noticed(time=1, level=Severity.INFO, topic="x", detail="all is well")
    assert redacted(event, Redactor([KEY])) is event


def files_below(home: Path) -> bytes:
    """Return every byte of logs, records and database."""
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_no_file_and_no_event_holds_what_a_venue_says_in_anger(tmp_path: Path) -> None:
    """Exits are refused with a signed address, and a task crashes with one."""
    crashed: list[int] = []

    class Angry(SmallEngine):
        """An engine whose venue refuses stops and targets with a signed address."""

        async def _live(self) -> None:
            venue: Any = self.trader.book.desk.venue
            submit = venue.submit

            async def angry(order: VenueOrderRequest) -> OrderReport:
                if isinstance(order, ReduceOrder) and order.trigger_price is not None:
                    raise NotExecuted(Refusal.OTHER, SIGNED)
                report: OrderReport = await submit(order)
                return report

            venue.submit = angry
            await super()._live()

    def hear(events: Any) -> None:
        if any(isinstance(event, PositionOpened) for event in events) and not crashed:
            crashed.append(1)
            raise RuntimeError(SIGNED)

    run = Run(
        tmp_path,
        until=BEGIN + 30 * HOUR,
        hear=hear,
        engine=Angry,
        settings=settings(
            binance_api_key=KEY,
            binance_api_secret=SECRET,
            notify_urls=f"json://127.0.0.1:9/{TOKEN}",
        ),
    )
    run.go()
    assert crashed
    texts = " ".join(str(event) for event in run.events)
    assert "timed out" in texts, "the words themselves are kept"
    clean(texts)
    clean(" ".join(view.text for snapshot in run.snapshots for view in snapshot.events))
    clean(files_below(tmp_path).decode("utf-8", "replace"))
    with sqlite3.connect(tmp_path / "sigma.db") as database:
        rows = database.execute("SELECT detail FROM orders WHERE detail != ''").fetchall()
    assert rows
    assert any("***" in row[0] for row in rows)


def test_a_command_that_crashes_prints_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BINANCE_API_KEY", KEY)
    monkeypatch.setenv("BINANCE_API_SECRET", SECRET)
    (tmp_path / "home" / "logs").mkdir(parents=True)
    import sigma_tui.cli.config as config

    def crash(*args: object) -> None:
        raise RuntimeError(SIGNED)

    monkeypatch.setattr(config, "advice", crash)
    assert execute(["--home", str(tmp_path / "home"), "config", "check"]) == 1
    said = capsys.readouterr()
    assert "timed out" in said.err
    clean(said.err + said.out)
    log = (tmp_path / "home" / "logs" / "trading_bot.log").read_text()
    assert "RuntimeError" in log
    clean(log)


def test_a_settings_file_that_others_can_read_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".env"
    file.write_text("LOG_LEVEL=INFO\n")
    file.chmod(0o644)
    assert execute(["config", "check"]) == 0
    assert "chmod 600" in capsys.readouterr().out
    file.chmod(0o600)
    assert execute(["config", "check"]) == 0
    assert "chmod" not in capsys.readouterr().out
