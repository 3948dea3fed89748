"""How fast devmode is: real gunicorn, simulated command servers, viewers in a process of their own."""
