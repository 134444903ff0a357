"""The one socket: a table of operations, bytes in and bytes out."""
