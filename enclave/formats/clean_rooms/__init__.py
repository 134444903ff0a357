"""What the parties of a clean room agree on, as canonical bytes: terms, data terms, contracts."""
