"""Bounds of the benchmark's options.

Owns these numbers alone, and loads nothing: the options' help is quick by that.
"""

OUTSTANDING_MAX = 1000
"""Calls of one client under way: below the anti-replay window of a session."""
PAYMENT_SIZES = (256, 512)
"""Size classes of envelopes that a payment can fill, in bytes: the smallest two that there are."""
REPEATS_MAX = 31
"""Runs of one row."""
