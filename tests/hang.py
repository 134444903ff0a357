"""When a test is taken to hang."""

HANG_SECONDS = 300.0
"""A guard against waiting for ever, and nothing else: what it guards takes seconds on a slow, busy
machine. A test that wants to know whether something is fast counts, or has its own clock."""
