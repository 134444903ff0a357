"""Widgets of the live screen: each shows lines that `lines.py` made, and none decides what."""
