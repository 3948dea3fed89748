"""What script/run asks about the address that devmode serves on.

    address.py free HOST:PORT           is it free?
    address.py answers HOST:PORT PID    does process PID answer there yet? Waits until it does.

Exits with a sentence if not.
"""

import http.client
import os
import socket
import sys
import time
from urllib.parse import urlsplit

LIMIT_S = 60.0
"""How long a slow machine may take to start the web server."""


def free(address: str) -> None:
    """Bind to the address for a moment, as the web server will."""
    try:
        url = urlsplit(f"//{address}")
        if not (url.hostname and url.port):
            sys.exit(f"DEVMODE_BIND is {address!r}; it must be HOST:PORT, as in 127.0.0.1:8000.")
        family = socket.AF_INET6 if ":" in url.hostname else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            # As the web server does: connections that are just closing don't count.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((url.hostname, url.port))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sys.exit(
            f"devmode can't serve on {address}: {reason}. Free that address, or choose another"
            " one: DEVMODE_BIND=127.0.0.1:8001 script/run"
        )


def answers(address: str, server: int) -> None:
    """Ask for a page until there is one, the server has ended, or the limit is reached."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if not is_alive(server):
            sys.exit("The web server ended at once; it says why above.")
        if status(address) < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            return
        time.sleep(0.1)
    sys.exit(f"The web server did not answer on {address} within {LIMIT_S:.0f} s.")


def is_alive(process: int) -> bool:
    """Tell whether the process exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def status(address: str) -> int:
    """Return the HTTP status of the sign-in page, 503 if nobody answers."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/sign-in")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return http.HTTPStatus.SERVICE_UNAVAILABLE
    finally:
        connection.close()


match sys.argv[1:]:
    case ["free", address]:
        free(address)
    case ["answers", address, server]:
        answers(address, int(server))
    case _:
        sys.exit(__doc__)
