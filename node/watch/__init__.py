"""The live screen of a service."""
