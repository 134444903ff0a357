"""Whom a client believes: the pin, the succession of epochs, fresh evidence."""
