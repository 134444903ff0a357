"""The worker of clean rooms: a room's process that takes one job, computes it, and reports sealed
results."""
