"""One node's life: start, replay, one epoch after the other, upkeep, stop."""
