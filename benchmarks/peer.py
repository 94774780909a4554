"""The peer: ``backtesting`` from PyPI with the same sixteen indicators, in its own environment.

``python peer.py CANDLES.npy`` runs it there and prints JSON. It decides on fewer things than
Sigma: RSI and EMA crossings through one account, no regimes, gates, records or Monte Carlo.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def rows(candles: int = 30_000) -> Iterator[Any]:
    """Yield candles a second of the peer, one pair; a row that says why where it cannot run."""
    import numpy as np

    from benchmarks.candles import generated
    from benchmarks.table import Row

    (series,) = generated(1, candles).series.values()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        columns = (series.time, series.open, series.high, series.low, series.close, series.volume)
        np.save(place / "candles.npy", np.array(columns))
        venv.create(place / "env", with_pip=True)
        python = place / "env" / "bin" / "python"
        steps = (
            (python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"),
            (python, HERE / "peer.py", place / "candles.npy"),
        )
        for words in steps:
            done = subprocess.run(
                [str(word) for word in words], capture_output=True, text=True, check=False
            )
            if done.returncode:
                yield Row(f"backtesting.py not measured: {done.stderr.strip()[-80:]}", 0.0, "")
                return
        found = json.loads(done.stdout.splitlines()[-1])
    each = found["cpu"] / found["candles"]
    yield Row(
        f"backtesting.py, 1 pair, {found['candles']:,} candles",
        1 / each,
        "candles/s",
        "",
        each * 1e9 / found["tanh_ns"],
        "tanh call a candle",
    )


def main() -> None:
    import numpy as np
    import pandas as pd
    import talib
    from backtesting import Backtest, Strategy

    columns = np.load(sys.argv[1])
    frame = pd.DataFrame(
        dict(zip(("Open", "High", "Low", "Close", "Volume"), columns[1:], strict=True)),
        index=pd.to_datetime(columns[0], unit="ms"),
    )

    def fixed(name: str, **settings: float) -> Any:
        return lambda *data: getattr(talib, name)(*(np.asarray(d) for d in data), **settings)

    class Sixteen(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            h, low, c = self.data.High, self.data.Low, self.data.Close
            v = self.data.Volume
            self.rsi = self.I(fixed("RSI", timeperiod=14), c)
            self.macd = self.I(fixed("MACD"), c)
            self.stoch = self.I(fixed("STOCH", fastk_period=14), h, low, c)
            self.emas = [self.I(fixed("EMA", timeperiod=n), c) for n in (9, 20, 50, 200)]
            self.bands = self.I(fixed("BBANDS", timeperiod=20), c)
            self.atr = self.I(fixed("ATR"), h, low, c)
            self.adx = self.I(fixed("ADX"), h, low, c)
            self.plus = self.I(fixed("PLUS_DI"), h, low, c)
            self.minus = self.I(fixed("MINUS_DI"), h, low, c)
            self.cci = self.I(fixed("CCI", timeperiod=20), h, low, c)
            self.mfi = self.I(fixed("MFI"), h, low, c, v)
            self.obv = self.I(fixed("OBV"), c, v)
            self.vwap = self.I(lambda c, v: np.cumsum(c * v) / np.cumsum(v), c, v)
            self.deviation = self.I(fixed("STDDEV", timeperiod=500), c)  # Monte Carlo's sigma
            self.range = self.I(lambda h, low: np.log(h / low) ** 2, h, low)  # Garman-Klass
            self.z = self.I(fixed("STDDEV", timeperiod=20), c)
            self.slope = self.I(fixed("LINEARREG_SLOPE", timeperiod=10), c)

        def next(self) -> None:
            close, atr = self.data.Close[-1], self.atr[-1]
            if self.position or not self.adx[-1] > 25:
                return
            if self.emas[0][-1] > self.emas[1][-1] and self.rsi[-1] < 35:
                self.buy(size=0.1, sl=close - 1.5 * atr, tp=close + 3 * atr)
            elif self.emas[0][-1] < self.emas[1][-1] and self.rsi[-1] > 65:
                self.sell(size=0.1, sl=close + 1.5 * atr, tp=close - 3 * atr)

    test = Backtest(frame, Sixteen, cash=10_000, commission=0.0005, finalize_trades=True)
    from math import tanh

    begin = time.process_time()
    test.run()
    spent = time.process_time() - begin
    begin = time.process_time()
    for _ in range(100_000):
        tanh(0.3)
    baseline = (time.process_time() - begin) / 100_000 * 1e9
    print(json.dumps({"candles": len(frame), "cpu": spent, "tanh_ns": baseline}))


if __name__ == "__main__":
    main()
