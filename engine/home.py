"""The home directory: where data, logs and the lock of one engine live."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOKS = 10  # at a lock that names no holder
LOOK_S = 0.02


class HomeError(Exception):
    """The home cannot be used; the message says why and what to do."""


class HomeBusy(HomeError):
    """Another engine holds this home."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below one home directory."""

    root: Path

    @property
    def database(self) -> Path:
        """Return the ledger's file."""
        return self.root / "sigma.db"

    @property
    def logs(self) -> Path:
        """Return the directory of ``trading_bot.log``."""
        return self.root / "logs"

    @property
    def compliance(self) -> Path:
        """Return the directory of the compliance files."""
        return self.logs / "compliance"

    @property
    def lock(self) -> Path:
        """Return the lock file, which names its holder."""
        return self.root / "engine.lock"

    @property
    def socket(self) -> Path:
        """Return the control socket."""
        return self.root / "engine.sock"

    def prepare(self) -> None:
        """Create the directories. Raises ``HomeError`` when that or writing fails."""
        try:
            for directory in (self.root, self.logs, self.compliance):
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.root / ".writable"
            probe.write_bytes(b"")
            probe.unlink(missing_ok=True)  # another process may probe at the same moment
        except OSError as error:
            raise HomeError(
                f"home {self.root} cannot be written ({error.strerror}); "
                "choose another with --home or SIGMA_HOME"
            ) from error

    def holder(self) -> dict[str, Any] | None:
        """Return who holds the lock ({"pid", "started", ...}), None when nobody does."""
        try:
            with self.lock.open("r") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return _read(file.read())
        except OSError:
            return None
        return None


class HomeLock:
    """One engine a home. The kernel drops the lock with the process, so it is never stale."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._fd: int | None = None

    def acquire(self, details: dict[str, Any]) -> None:
        """Take the lock and write who holds it.

        Raises ``HomeBusy`` naming the holder, ``HomeError`` when the file cannot be used.
        """
        try:
            fd = os.open(self._home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HomeError(
                f"{self._home.lock} cannot be opened ({error.strerror}); "
                "choose another home with --home or SIGMA_HOME"
            ) from error
        for attempt in range(LOOKS):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = _read(os.pread(fd, 4096, 0).decode(errors="replace")) or {}
            if holder or attempt + 1 == LOOKS:
                os.close(fd)
                raise HomeBusy(
                    f"an engine already runs in {self._home.root} (pid {holder.get('pid', '?')}, "
                    f"since {holder.get('started', '?')}); stop it or choose another --home"
                )
            time.sleep(LOOK_S)  # somebody only looks at who holds it
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(details).encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Let the lock go; harmless when it was never taken."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None


def _read(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
