"""What devmode asks of an openQA, and what it makes of the answers."""
