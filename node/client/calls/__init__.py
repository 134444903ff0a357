"""From a call to its result: sealed, sent, awaited, tried again safely."""
