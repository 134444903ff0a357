"""How commands speak to a person: progress, tables, words that are safe to show."""
