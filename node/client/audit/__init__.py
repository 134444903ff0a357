"""Checking without trust: chains, ledgers and receipts, offline."""
