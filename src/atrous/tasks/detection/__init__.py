"""Detection: boxes around objects, and what these are."""
