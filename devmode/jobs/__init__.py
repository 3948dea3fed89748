"""Which jobs run, and how to reach them."""
