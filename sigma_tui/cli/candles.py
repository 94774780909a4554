"""Commands about candle files: ``candles check`` and ``candles download``."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, FAILED, CommandError
from sigma_tui.cli.progress import Progress, interruptible, progress_bar

if TYPE_CHECKING:
    from engine.market.checks import FileReport
    from engine.market.download import Downloaded
    from engine.model.market import Candle, Pair
    from engine.settings import Settings
    from engine.venues.exchange.session import Session
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    group = commands.group("candles", "check recorded candles or fetch them")
    check = group.add("check", "report faulty rows and gaps of candle files", check_command)
    check.add_argument("--data", type=Path, required=True, metavar="DIR")
    download = group.add("download", "fetch history from the exchange", download_command)
    download.add_argument("--pairs", type=context.pairs, metavar="BTC,ETH")
    download.add_argument("--days", type=context.count, default=30, metavar="N")
    download.add_argument("--timeframe", choices=context.TIMEFRAMES, default="5m")
    download.add_argument("--exchange", choices=("binance", "weex"), help="default: EXCHANGE")
    download.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="directory (./data)"
    )


def check_command(args: argparse.Namespace) -> int:
    """Check every candle file of a directory; 0 when each can be used, 1 otherwise."""
    from engine.market.checks import check_directory

    reports = check_directory(args.data)
    usable = all(report.usable for report in reports)
    if context.wants_json(args):
        files = [report.to_dict() for report in reports]
        output.json_object({"files": files, "ok": usable})
    else:
        for report in reports:
            output.lines(describe(report))
    return DONE if usable else FAILED


def describe(report: FileReport) -> list[str]:
    """Return what was found in one file: a summary, then a line for every problem."""
    from engine.market.checks import MAX_LISTED
    from engine.market.series import iso

    name = report.file.path.name
    if report.error:
        return [f"{name}: FAULTY: {report.error}"]
    found = ", ".join(f"{count} {kind}" for kind, count in report.counts.items() if count)
    verdict = "clean" if report.clean else "usable" if report.usable else "FAULTY"
    span = ""
    if report.first is not None and report.last is not None:
        span = f", {iso(report.first)[:16]} to {iso(report.last)[:16]} UTC"
    missing = f" ({report.missing} candles missing)" if report.missing else ""
    shown = [f"{name}: {verdict}: {report.rows} rows{span}{f'; {found}{missing}' if found else ''}"]
    for problem in report.problems:
        when = "" if problem.time is None else f" {iso(problem.time)}"
        shown.append(f"  row {problem.row}{when} {problem.kind.value}: {problem.detail}")
    if sum(report.counts.values()) > len(report.problems):
        shown.append(f"  and more; at most {MAX_LISTED} of a kind are listed")
    return shown


# Download


def download_command(args: argparse.Namespace) -> int:
    """Fetch history into candle files; what is there already is continued."""
    from engine.market.download import DownloadError
    from engine.venues.port import VenueError

    settings = context.settings_of(args)
    context.require_allowed(args.pairs, settings)
    try:
        with interruptible(progress_bar(args)) as progress:
            done = asyncio.run(_download(args, settings, progress))
    except (DownloadError, VenueError) as error:
        raise CommandError(f"candles download: {error}") from None
    if context.wants_json(args):
        files = [
            one.report.to_dict()
            | {"added": one.added, "left_out": one.left_out, "holes": one.holes}
            for one in done
        ]
        output.json_object({"data": str(args.data), "files": files})
    else:
        for one in done:
            output.lines(_downloaded(one))
        output.line(f"run them with: sigma backtest --data {args.data}")
    return DONE if all(one.report.usable for one in done) else FAILED


async def _download(
    args: argparse.Namespace, settings: Settings, progress: Progress
) -> list[Downloaded]:
    from engine.market.download import Download, DownloadError
    from engine.venues.exchange.session import Session, SessionConfig

    pairs = args.pairs or settings.pairs
    name = args.exchange or (settings.exchange if settings.exchange != "sim" else "binance")
    session = Session(SessionConfig(name, "paper", pairs, url=settings.exchange_url))
    try:
        await session.open()
        listed = [pair for pair in pairs if pair in session.instruments]
        if args.pairs and len(listed) < len(pairs):
            gone = ", ".join(pair.base for pair in pairs if pair not in listed)
            raise DownloadError(f"{name} does not trade {gone}")
        for note in session.notes:
            output.hint(note)
        download = Download(
            Source(session), args.data, args.timeframe, now=session.server_now, progress=progress
        )
        return await download.run(listed, args.days)
    finally:
        await session.close()


class Source:
    """The candles of a session, failures typed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.page = session.dialect.page

    async def candles(
        self, pair: Pair, timeframe: str, since: int | None, limit: int
    ) -> Sequence[Candle]:
        """Return candles. Raises ``Retryable`` or ``Fatal``."""
        from engine.venues.exchange.classify import read_failure

        try:
            return await self._session.dialect.candles(pair, timeframe, since, limit)
        except Exception as error:  # noqa: BLE001 - every failure has its type
            raise read_failure(error, self._session.redact) from None


def _downloaded(one: Downloaded) -> list[str]:
    words = [f"{one.added:,} candles added"]
    if one.left_out:
        words.append(f"{one.left_out} impossible ones left out")
    if one.holes:
        words.append(f"the exchange lacks {one.holes}")
    first, *rest = describe(one.report)
    return [f"{first}; {', '.join(words)}", *rest]
