"""An enclave with an identity: founding, votes, epochs, secrets for others, what it wants said on
the ledger."""
