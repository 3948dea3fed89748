"""A port of the loopback for a server that a test starts."""

import socket


def free_port() -> int:
    """Nobody listens there now; that nobody will is likely only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
