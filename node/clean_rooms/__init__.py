"""Clean rooms as people write them, and how data gets to the workers (ROOMS)."""
