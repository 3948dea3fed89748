"""The os-autoinst side: what a command server says, what may be said to it, and the link."""
