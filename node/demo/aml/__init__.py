"""Banks find rings together that none of them sees alone."""
