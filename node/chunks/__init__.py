"""Sealed chunks that a node keeps for data sets and results (ROOMS §3)."""
