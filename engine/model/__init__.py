"""The vocabulary every room shares. Frozen, typed, and free of behaviour that needs the world."""
