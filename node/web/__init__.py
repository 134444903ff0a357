"""The web page that a node and a local reader serve."""
