"""Risk: expectancy, sizing, portfolio limits, costs and the safety checker. Pure functions."""
