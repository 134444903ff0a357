"""What the explorer reads, from a node or from files, and how it finds what it is asked for."""
