"""Who controls a job: developer sessions, and the keepers that hold them."""
