"""Keys of a node and of its epochs: made, sealed to the chip, found again, erased."""
