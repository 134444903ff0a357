"""Sampled journeys of transactions through this node, and their export as traces."""
