"""Stop 7: a certified block in, an outcome and a sealed write set out; queries and snapshots of
that state."""
