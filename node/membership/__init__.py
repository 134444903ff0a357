"""How a node belongs: founding, joining, duties on the ledger, secrets from peers."""
