"""Stops 7 and 8: final blocks are recorded, executed, answered, in order of height."""
