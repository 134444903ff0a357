"""The owner's side of the vault: containers as files, data keys, calls, and what they show."""
