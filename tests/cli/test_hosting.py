"""Service files, completion, the browser and the container: what they say and refuse."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from sigma_tui.service import systemd_unit, tmux_settings
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def own_config(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_the_unit_runs_this_program_headless_in_this_home(sigma, place):
    shown = sigma("service", "show", "--start", "--json").json
    words = re.search(r"^ExecStart=(.*)$", shown["text"], re.MULTILINE).group(1).split()
    assert words[:5] == [sys.executable, "-m", "sigma_tui", "run", "--headless"]
    assert words[5:] == ["--home", str(place / "home"), "--start"]
    assert "\nRestart=on-failure\nRestartSec=5\nRestartPreventExitStatus=2 4\n" in shown["text"]
    assert f"\nWorkingDirectory={place / 'home'}\n" in shown["text"]


def test_odd_names_are_quoted_for_systemd(tmp_path):
    text = systemd_unit(tmp_path / 'a b%c$d"e').text
    assert f'--home "{tmp_path}/a b%%c$$d\\"e"' in text
    assert "%%c" in text.split("WorkingDirectory=")[1]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path):
    unit = tmp_path / "sigma.service"
    unit.write_text(systemd_unit(tmp_path).text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(unit)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "sigma.service" not in done.stderr


def test_install_writes_once_and_replaces_only_when_told(sigma, place):
    first = sigma("service", "install")
    unit = place / "config" / "systemd" / "user" / "sigma.service"
    assert first.code == 0
    assert "systemctl --user enable --now sigma" in first.out
    assert (place / "home").is_dir()
    assert "is there already" in sigma("service", "install").out
    unit.write_text("[Unit]\n# mine\n")
    refused = sigma("service", "install")
    assert refused.code == 1
    assert "--force" in refused.error
    assert sigma("service", "install", "--force").code == 0
    assert "ExecStart=" in unit.read_text()


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_tmux_accepts_its_settings(sigma, tmp_path):
    assert sigma("service", "install", "tmux").code == 0
    file = tmux_settings().path
    done = subprocess.run(
        ["tmux", "-S", str(tmp_path / "s"), "-f", str(file), "start-server", ";", "show", "-s",
         "escape-time"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "escape-time 10\n", done.stderr


def completed(sigma, tmp_path, *words: str) -> list[str]:
    """Return what bash offers after some words."""
    script = tmp_path / "sigma.bash"
    script.write_text(sigma("completion", "bash").out)
    listed = " ".join(f"'{word}'" for word in ("sigma", *words))
    code = (
        f". {script}; COMP_WORDS=({listed}); COMP_CWORD={len(words)}; _sigma; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_bash_completes_commands_options_and_values(sigma, tmp_path):
    assert {"run", "attach", "service"} <= set(completed(sigma, tmp_path, ""))
    assert completed(sigma, tmp_path, "att") == ["attach"]
    assert "--on-hangup" in completed(sigma, tmp_path, "run", "--")
    assert completed(sigma, tmp_path, "run", "--on-hangup", "") == ["stop", "keep"]
    assert {"check", "backup", "restore"} <= set(completed(sigma, tmp_path, "db", ""))
    assert {"systemd", "tmux"} <= set(completed(sigma, tmp_path, "service", "install", ""))


def test_zsh_and_fish_know_every_command(sigma):
    zsh, fish = sigma("completion", "zsh").out, sigma("completion", "fish").out
    assert zsh.startswith("autoload -U +X bashcompinit")
    for name in ("run", "attach", "doctor", "restore"):
        assert re.search(rf"-a {name}\b", fish), name
        assert name in zsh
    if shutil.which("fish"):
        subprocess.run(["fish", "--no-execute"], input=fish, text=True, check=True)


def test_the_browser_needs_an_engine_and_its_package(sigma, monkeypatch):
    monkeypatch.setattr("sigma_tui.cli.hosting.find_spec", lambda name: None)
    missing = sigma("web")
    assert missing.code == 1
    assert ".[web]" in missing.error
    monkeypatch.setattr("sigma_tui.cli.hosting.find_spec", lambda name: object())
    assert sigma("web").code == 3
    assert sigma("web", "--port", "no").code == 2


def test_the_container_runs_headless_as_an_ordinary_user():
    text = (ROOT / "Containerfile").read_text()
    assert text.index("USER sigma") < text.index("ENTRYPOINT")
    assert 'ENTRYPOINT ["sigma", "run", "--headless"]' in text
    for copied in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())


def test_restore_puts_a_backup_in_place_and_keeps_what_was_there(sigma, place):
    home = place / "home"
    assert sigma("run", "--headless", "--duration", 1, "--speed", 60).code == 0
    assert sigma("db", "backup", place / "copy.db").code == 0
    assert sigma("run", "--headless", "--duration", 1, "--speed", 60).code == 0
    done = sigma("db", "restore", place / "copy.db")
    assert done.code == 0
    assert "sigma.db.before-restore" in done.out
    assert sigma("db", "restore", place / "copy.db", "--json").json["kept"].endswith("restore-1")
    assert sigma("db", "check").code == 0
    assert sigma("run", "--headless", "--duration", 1, "--speed", 60).code == 0
    (place / "bad.db").write_bytes(b"no database at all" * 500)
    before = (home / "sigma.db").read_bytes()
    bad = sigma("db", "restore", place / "bad.db")
    assert bad.code == 1
    assert (home / "sigma.db").read_bytes() == before
    assert sigma("db", "restore", place / "none.db").code == 1
