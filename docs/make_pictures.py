"""Draw every screen at several sizes: SVG from the app itself, PNG through headless Chromium.

Run from the project's root: ``python docs/make_pictures.py [--out DIR] [--only NAME] [--png]``.
The data are the seeded sample of the tests, so that pictures change only when the screen does.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sigma_tui.app import SigmaApp  # noqa: E402
from tests.cockpit.fake_link import FakeLink  # noqa: E402
from tests.cockpit.sample import NOW, snapshot  # noqa: E402

SIZES = ((80, 24), (120, 40), (200, 60))
SCREENS = {
    "cockpit": "1", "explain": "2", "trades": "3", "risk": "4", "strategies": "5", "health": "6",
    "help": "question_mark", "flatten": "F", "override": "o", "quit": "q", "theme": "t",
    "chat": "slash",
}  # fmt: skip
_CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-quic",
    "--no-first-run", "--disable-background-networking",
)  # fmt: skip


async def draw(keys: str, size: tuple[int, int], theme: str, ascii: bool) -> str:
    """Return one screen as SVG."""
    app = SigmaApp(FakeLink(snapshot()), theme=theme, ascii=ascii, wall=lambda: NOW)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.3)
        for key in keys.split(","):
            await pilot.press(key)
        await pilot.pause(0.6)
        svg = app.export_screenshot(title="Sigma")
    return svg.replace("Fira Code", "DejaVu Sans Mono")


def to_png(svg: Path, chromium: str) -> None:
    """Render an SVG file beside itself as PNG."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg.read_text("utf-8"))
    width, height = (int(float(part)) + 1 for part in box.groups()) if box else (1200, 800)
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [chromium, *_CHROMIUM, f"--user-data-dir={profile}",
             f"--window-size={width},{height}", f"--screenshot={svg.with_suffix('.png')}",
             svg.resolve().as_uri()],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--only", default="")
    parser.add_argument("--size", default="")
    parser.add_argument("--theme", default="sigma-dark")
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--png", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sizes = [tuple(map(int, options.size.split("x")))] if options.size else SIZES
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    for name, keys in SCREENS.items():
        if options.only and name not in options.only.split(","):
            continue
        for size in sizes:
            path = options.out / f"{name}-{size[0]}x{size[1]}.svg"
            path.write_text(asyncio.run(draw(keys, size, options.theme, options.ascii)), "utf-8")
            if options.png and chromium:
                to_png(path, chromium)
            print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    main()
