"""Stop 6, the rules: one replica of one epoch, a pure function of events. Runs in the host; no
enclave loads it."""
