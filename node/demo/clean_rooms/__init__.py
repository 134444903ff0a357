"""The frame of clean-room scenarios: a service, parties, workers, captures, a report."""
