"""The cell of reviewed Python: one process that runs code which all owners approved, and which
nothing here trusts."""
