"""The entry point: ``sigma --version`` answers before anything else is loaded."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. ``argv`` is without the program's name."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"]):
        from engine import __version__

        sys.stdout.write(f"sigma {__version__}\n")
        return 0
    from sigma_tui.cli.entry import execute

    return execute(words)


if __name__ == "__main__":
    sys.exit(main())
