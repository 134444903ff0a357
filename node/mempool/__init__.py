"""Stop 5: envelopes wait for a batch, batches for their order, callers for their answer."""
