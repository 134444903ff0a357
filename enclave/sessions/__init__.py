"""Sessions as replicated state: opened, windowed, closed; what arrives in an envelope."""
