"""A local cluster for trying and testing: made, started, grown, stopped."""
