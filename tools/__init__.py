"""Sets up a checkout; needs nothing but Python's standard library."""
