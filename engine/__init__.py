"""The trading engine: pure decisions inside an asynchronous shell. Knows nothing of the screen."""

__version__ = "0.1.0"
