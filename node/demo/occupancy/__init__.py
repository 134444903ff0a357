"""Three owners of sensors, one building, and who was where stays with nobody."""
