"""The panels of the cockpit, one a file."""
