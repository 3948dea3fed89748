"""How fast devmode is: real gunicorn, simulated command servers, viewers of their own."""
