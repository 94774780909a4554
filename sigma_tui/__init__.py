"""The terminal cockpit: draws a replica of the engine and sends it commands."""
