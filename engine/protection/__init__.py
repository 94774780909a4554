"""Protection: circuit breaker, strategy monitor and API monitor. Time is an argument."""
