"""What the processes of one devmode share: the database, leases and notices."""
