"""The program's own log: ``trading_bot.log``, rotating, in UTC, without secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.ledger.errors import record_error
from engine.ledger.redact import Redactor

FILE_NAME = "trading_bot.log"
MAX_BYTES = 10_000_000
KEPT_FILES = 5
# At DEBUG these write key headers and signed URLs; at INFO, noise.
QUIET_LOGGERS = ("ccxt", "urllib3", "aiohttp", "asyncio", "httpx", "httpcore", "aiosqlite")


class RedactingFormatter(logging.Formatter):
    """Format a record in full (arguments, exception and stack included), then redact the text.

    Continuation lines are indented, so that no message can pass for another record.
    """

    def __init__(self, redact: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)-8s %(name)s: %(message)s")
        self._redact = redact

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the record's time as ISO 8601 UTC with milliseconds."""
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def format(self, record: logging.LogRecord) -> str:
        """Return the redacted text of a record."""
        lines = self._redact(super().format(record)).splitlines()
        return "\n    ".join(lines)


class LogFile(RotatingFileHandler):
    """The log's handler. A failed write must not garble the terminal: it is counted instead."""

    failures = 0
    last_failure = ""

    def handleError(self, record: logging.LogRecord) -> None:
        """Count a failed write and keep where it came from."""
        self.failures += 1
        self.last_failure = f"{record.name}:{record.lineno}"


def configure_logging(
    directory: Path, level: str | int = logging.INFO, secrets: Iterable[str] = ()
) -> LogFile:
    """Send every logger's records to ``trading_bot.log`` in a directory; return the handler.

    ``secrets`` are values that must never appear. A second call replaces the first. Raises
    ``RecordError`` when the file cannot be opened.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handler = LogFile(
            directory / FILE_NAME, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8"
        )
    except OSError as error:
        raise record_error(error, directory / FILE_NAME) from error
    handler.setFormatter(RedactingFormatter(Redactor(secrets)))
    root = logging.getLogger()
    for old in [item for item in root.handlers if isinstance(item, LogFile)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    return handler
