"""Where orders go: the venue port and its implementations."""
