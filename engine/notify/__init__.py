"""Notifications: what is worth telling a person, and the channels that carry it."""
