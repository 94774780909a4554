"""Theme files as data: each ``*.toml`` here is one theme."""
