"""TA-Lib is imported without pandas, and pandas is none the worse for it."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def run(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_indicators_do_not_import_pandas() -> None:
    run(
        "import sys; finders = list(sys.meta_path)\n"
        "import engine.indicators.pipeline\n"
        "assert 'pandas' not in sys.modules and 'polars' not in sys.modules\n"
        "assert sys.meta_path == finders\n"
    )


def test_pandas_can_be_imported_afterwards() -> None:
    run(
        "from engine.indicators.talib_light import talib\n"
        "import pandas\n"
        "values = pandas.Series(range(30), dtype=float)\n"
        "assert talib.SMA(values.to_numpy(), 20)[-1] == values[10:].mean()\n"
    )


def test_pandas_may_be_there_already() -> None:
    run(
        "import pandas\n"
        "from engine.indicators.talib_light import talib\n"
        "assert len(talib.SMA(pandas.Series(range(30), dtype=float), 20)) == 30\n"
    )


def test_another_thread_importing_pandas_meanwhile_gets_it() -> None:
    run(
        "from threading import Thread\n"
        "import importlib\n"
        "from engine.indicators import talib_light\n"
        "found = []\n"
        "with talib_light._without('pandas', 'polars'):\n"
        "    thread = Thread(target=lambda: found.append(importlib.import_module('pandas')))\n"
        "    thread.start(); thread.join()\n"
        "assert found\n"
    )
