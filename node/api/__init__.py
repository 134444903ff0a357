"""What the front door answers with: the service, the ledger, queries, public state, metrics."""
