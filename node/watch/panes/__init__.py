"""Panes of the live screen."""
