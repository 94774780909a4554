"""Strategies: versions kept, compared, exchanged, drafted and tried on stored candles."""
