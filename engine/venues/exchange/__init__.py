"""Binance and WEEX behind the venue port, over ccxt."""
