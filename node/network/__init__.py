"""Links between nodes: who is there, attested how, and at which pace it is answered."""
