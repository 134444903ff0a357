"""A crew: several rooms of one operator that compute one job of a clean room together."""
