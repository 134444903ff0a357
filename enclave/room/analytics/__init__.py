"""The worker's SQL: who may ask what of whose rows, and the engine that answers."""
