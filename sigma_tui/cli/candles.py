"""Commands about candle files: ``candles check`` and ``candles download``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, FAILED, CommandError

if TYPE_CHECKING:
    from engine.market.checks import FileReport
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    group = commands.group("candles", "check recorded candles or fetch them")
    check = group.add("check", "report faulty rows and gaps of candle files", check_command)
    check.add_argument("--data", type=Path, required=True, metavar="DIR")
    download = group.add("download", "fetch history from the exchange", download_command)
    download.add_argument("--pairs", type=context.pairs, metavar="BTC,ETH")
    download.add_argument("--days", type=context.count, default=30)
    download.add_argument("--data", type=Path, metavar="DIR")


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


def download_command(args: argparse.Namespace) -> int:
    """Say that this version has no exchange connection."""
    raise CommandError(
        "candles download: needs an exchange connection, which this version does not have; "
        "put candle files into a directory and name it with --data"
    )
