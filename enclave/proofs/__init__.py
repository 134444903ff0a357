"""What is checked becomes a type: constitution, genesis, finality, heads, the data of a block."""
