"""Rooms: attested workers outside the validators. What a room is stands in README.md."""
