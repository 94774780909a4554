"""One engine a home; a home that cannot be used is said in one sentence."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.home import Home, HomeBusy, HomeError, HomeLock

HOLD = """
import os, sys
from pathlib import Path
from engine.home import Home, HomeLock
lock = HomeLock(Home(Path(sys.argv[1])))
lock.acquire({"pid": os.getpid(), "started": "2025-01-01T00:00:00+00:00"})
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_held_by_another_process_names_it_and_dies_with_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "held"
        with pytest.raises(HomeBusy, match=f"pid {child.pid}, since 2025-01-01"):
            HomeLock(home).acquire({"pid": os.getpid()})
        holder = home.holder()
        assert holder is not None
        assert holder["pid"] == child.pid
        child.kill()
        child.wait()
    assert home.holder() is None
    lock = HomeLock(home)
    lock.acquire({"pid": os.getpid()})
    assert json.loads(home.lock.read_text()) == {"pid": os.getpid()}
    lock.release()
    lock.release()


@pytest.mark.parametrize("left", ["", "{", '{"pid": 1, "started": "long ago", "more": "text"}'])
def test_a_stale_file_is_no_obstacle(tmp_path: Path, left: str) -> None:
    home = Home(tmp_path)
    home.lock.write_text(left)
    assert home.holder() is None
    lock = HomeLock(home)
    lock.acquire({"pid": 5})
    assert json.loads(home.lock.read_text()) == {"pid": 5}
    lock.release()


def test_two_locks_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    first, second = HomeLock(Home(tmp_path)), HomeLock(Home(tmp_path))
    first.acquire({"pid": 7})
    with pytest.raises(HomeBusy, match="pid 7"):
        second.acquire({"pid": 8})
    first.release()
    second.acquire({"pid": 8})
    second.release()


def test_somebody_who_only_looks_does_not_keep_an_engine_from_starting(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.lock.write_text("")
    with home.lock.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        timer = threading.Timer(0.05, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        timer.start()
        lock = HomeLock(home)
        lock.acquire({"pid": 1})
        lock.release()
        timer.join()


@pytest.mark.parametrize("inside", ["", "logs", "logs/compliance"])
def test_a_file_in_place_of_a_directory_is_one_clear_sentence(tmp_path: Path, inside: str) -> None:
    home = Home(tmp_path / "home")
    blocked = home.root / inside if inside else home.root
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("in the way")
    with pytest.raises(HomeError, match="cannot be written") as caught:
        home.prepare()
    assert "\n" not in str(caught.value)
    assert blocked.read_text() == "in the way"


def test_a_directory_in_place_of_the_lock_is_one_clear_sentence(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.lock.mkdir()
    with pytest.raises(HomeError, match="cannot be opened"):
        HomeLock(home).acquire({})


def test_many_may_prepare_one_home_at_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    end = time.monotonic() + 0.2

    def prepare() -> None:
        try:
            while time.monotonic() < end:
                Home(tmp_path).prepare()
        except HomeError as error:
            errors.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert not (tmp_path / ".writable").exists()
