"""Bytes that anyone may hold: envelopes, outcomes, write sets, history, snapshots. Knows no key and
no policy."""
