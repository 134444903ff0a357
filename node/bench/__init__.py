"""The benchmark: load processes, measurement, the floor that cryptography sets, suites and their
table."""
