"""A real os-autoinst job to try devmode with: distribution, guest and what starts them."""
