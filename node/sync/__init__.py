"""The past, both sides: serving what is stored, and catching up by ranges, outcomes and
snapshots."""
