"""Stop 6, driven: a node's part in consensus, pure, and the one loop that carries its effects
out."""
