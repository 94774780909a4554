"""Commands about records: ``audit`` (verify, report, replay) and ``db`` (check, restore, ...)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, FAILED, CommandError, NoEngineError

if TYPE_CHECKING:
    from engine.home import Home
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    audit = commands.group("audit", "verify, sum up or replay the compliance logs")
    audit.add("verify", "walk every hash chain; finds any edited or missing line", verify_command)
    report = audit.add("report", "decisions, refusals, violations and results", report_command)
    report.add_argument("--days", type=context.count, default=7, help="up to the newest line (7)")
    again = audit.add("replay", "make every recorded decision again and compare", replay_command)
    again.add_argument(
        "--since", type=context.instant, default=0, metavar="ISO", help="lines from this instant on"
    )
    database = commands.group("db", "check, copy or migrate the database")
    database.add("check", "check structure and arithmetic", check_command)
    backup = database.add("backup", "copy it, also while an engine writes", backup_command)
    backup.add_argument("path", type=Path, metavar="PATH", help="a new file")
    restore = database.add("restore", "put a backup in its place", restore_command)
    restore.add_argument("path", type=Path, metavar="PATH", help="a backup")
    database.add("migrate", "bring it to this program's version", migrate_command)


def verify_command(args: argparse.Namespace) -> int:
    """Verify the compliance logs; repairs nothing."""
    from engine.ledger.audit import verify

    report = verify(_logs(args))
    if context.wants_json(args):
        output.json_object(report.as_dict())
    else:
        rows = [(f.name, f.lines, "ok" if f.ok else "DAMAGED", f.detail) for f in report.files]
        output.lines(output.table(("file", "lines", "state", "detail"), rows))
        output.line("whole and unchanged" if report.ok else "NOT as it was written; see above")
    return DONE if report.ok else FAILED


def report_command(args: argparse.Namespace) -> int:
    """Sum up what the compliance logs say."""
    from engine.ledger.audit import report

    found = report(_logs(args), args.days)
    if context.wants_json(args):
        output.json_object(found)
        return DONE
    output.line(f"{args.days} days up to {output.minute(found['to'])} UTC")
    output.lines(f"{name:<10} {count}" for name, count in found["decisions"].items())
    for title, counts in (
        ("refused by", found["refusals"]),
        ("safety violations", found["violations"]["by_layer"]),
        ("execution failures", found["failures"]["by_state"]),
    ):
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        output.line(f"{title}: {listed or 'none'}")
    header = ("day", "account", "trades", "wins", "pnl", "fees", "funding")
    output.lines(output.table(header, [[day[name] for name in header] for day in found["pnl"]]))
    if found["unreadable"]:
        output.line(f"{found['unreadable']} lines cannot be read; run `sigma audit verify`")
    return DONE


def replay_command(args: argparse.Namespace) -> int:
    """Make every recorded decision again, from the log alone."""
    from engine.ledger.replay import replay
    from engine.trace import iso

    found = replay(_logs(args), iso(args.since) if args.since else "")
    if context.wants_json(args):
        output.json_object(found.as_dict())
        return DONE if found.ok else FAILED
    output.line(f"{found.same:,} of {found.decisions:,} decisions come out the same")
    for count, words in (
        (found.proposals, "of them propose an entry"),
        (found.refused_at_order, "were refused by the account at the moment of the order"),
        (found.without_inputs, "lack what they were made from (older lines, or edited rules)"),
        (found.unreadable, "lines cannot be read; run `sigma audit verify`"),
        (found.differing, "come out differently"),
    ):
        if count:
            output.line(f"{count:,} {words}")
    output.lines(f"  {item['time']} {item['pair']}: {item['what']}" for item in found.different)
    return DONE if found.ok else FAILED


def check_command(args: argparse.Namespace) -> int:
    """Check the database."""
    from engine.ledger.upkeep import check_database

    path = _home(args).database
    findings = check_database(path)
    if context.wants_json(args):
        output.json_object({"file": str(path), "ok": not findings, "findings": findings})
    else:
        output.lines(findings or [f"{path}: sound"])
    return FAILED if findings else DONE


def backup_command(args: argparse.Namespace) -> int:
    """Copy the database into a new file."""
    from engine.ledger.upkeep import backup_database

    home = _home(args)
    backup_database(home.database, args.path)
    if context.wants_json(args):
        output.json_object({"file": str(args.path), "bytes": args.path.stat().st_size})
    else:
        output.line(f"{args.path}: written, {args.path.stat().st_size:,} bytes")
    return DONE


def restore_command(args: argparse.Namespace) -> int:
    """Put a backup in the database's place; not while an engine runs on it."""
    from engine.home import HomeLock
    from engine.ledger.upkeep import restore_database

    home = context.home_of(args)
    home.prepare()
    lock = HomeLock(home)
    lock.acquire({"pid": os.getpid(), "started": "a moment ago, to restore a backup"})
    try:
        kept = restore_database(home.database, args.path)
    finally:
        lock.release()
    if context.wants_json(args):
        output.json_object({"file": str(home.database), "kept": str(kept) if kept else None})
    else:
        before = f"; the one before is kept as {kept.name}" if kept else ""
        output.line(f"{home.database}: restored from {args.path}{before}")
    return DONE


def migrate_command(args: argparse.Namespace) -> int:
    """Migrate the database; not while an engine runs on it."""
    from engine.ledger.schema import migrate

    home = _home(args)
    holder = home.holder()
    if holder is not None:
        raise CommandError(
            f"an engine runs in {home.root} (pid {holder.get('pid', '?')}); stop it, then migrate"
        )
    before, after = migrate(home.database)
    if context.wants_json(args):
        output.json_object({"file": str(home.database), "before": before, "after": after})
    elif before == after:
        output.line(f"{home.database}: is at version {after} already")
    else:
        output.line(f"{home.database}: version {before} -> {after}")
    return DONE


def _home(args: argparse.Namespace) -> Home:
    home = context.home_of(args)
    if not home.database.is_file():
        raise NoEngineError(f"{home.root}: no engine has run here yet, so there is no database")
    return home


def _logs(args: argparse.Namespace) -> Path:
    home = context.home_of(args)
    if not home.compliance.is_dir():
        raise NoEngineError(f"{home.root}: no engine has run here yet, so there are no logs")
    return home.compliance
