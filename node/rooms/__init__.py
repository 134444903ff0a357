"""A room's host: it starts the process, carries its bytes, keeps its sealed state, and is trusted
with nothing."""
