"""Four hospitals and one diagnosis: `./scripts/demo --scenario health`."""
