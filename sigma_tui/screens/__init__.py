"""What the number keys switch between, and the dialogs above it."""
