"""Service files: a systemd user unit that keeps an engine running, and settings for tmux."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# 2: settings that would be wrong again; 4: the circuit breaker's SHUTDOWN, for a person to look at.
_UNIT = """\
[Unit]
Description=Sigma, an autonomous crypto-futures engine
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=exec
ExecStart={command}
WorkingDirectory={home}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2 4
KillSignal=SIGTERM
TimeoutStopSec=20
StandardOutput=null
StandardError=journal
UMask=0077
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""

TMUX = """\
# Sigma in tmux: true colours, quick escape, clipboard, focus events and full keys.
set -g default-terminal "tmux-256color"
set -ga terminal-overrides ",*256col*:Tc"
set-environment -g COLORTERM truecolor
set -sg escape-time 10
set -s set-clipboard on
set -g focus-events on
set -s extended-keys on
"""


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A file for another program: where it belongs, what is in it, what to do then."""

    path: Path
    text: str
    then: tuple[str, ...]


def systemd_unit(home: Path, options: Sequence[str] = ()) -> ServiceFile:
    """Return the user unit of an engine without a terminal in ``home``."""
    words = [sys.executable, "-m", "sigma_tui", "run", "--headless", "--home", str(home), *options]
    text = _UNIT.format(command=" ".join(map(_quoted, words)), home=str(home).replace("%", "%%"))
    return ServiceFile(
        _config() / "systemd" / "user" / "sigma.service",
        text,
        (
            "systemctl --user daemon-reload",
            "systemctl --user enable --now sigma",
            "loginctl enable-linger    # start at boot, stay after logging out",
        ),
    )


def tmux_settings() -> ServiceFile:
    """Return settings for tmux that suit the cockpit."""
    path = _config() / "sigma" / "tmux.conf"
    return ServiceFile(
        path, TMUX, (f"echo 'source-file {path}' >> ~/.tmux.conf", f"tmux source-file {path}")
    )


def install(file: ServiceFile, *, force: bool) -> bool:
    """Write a file; return whether it was not there as it is already.

    Raises ``FileExistsError`` for another one in its place unless ``force``.
    """
    if file.path.exists():
        if file.path.read_text() == file.text:
            return False
        if not force:
            raise FileExistsError(f"{file.path}: is there and differs; --force replaces it")
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_text(file.text)
    return True


def _config() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _quoted(word: str) -> str:
    """Quote one word of a command line the way systemd reads it."""
    word = word.replace("%", "%%").replace("$", "$$")
    if word and not set(word) & set(" \t\"'\\;"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
