"""Tries, step by step, whether a command server can be reached, and says what it saw.

Sends no command: a job is never disturbed by being examined. No sentence holds the job token.
"""

import errno
import http.client
import socket
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from devmode.commandserver.address import Address

PATIENCE_S = 4.0
WORKERS_PORTS = "20013, 20023, … (20003 + 10 for each worker instance)"


class Outcome(Enum):
    """How a step went."""

    FINE = "fine"
    FAILED = "failed"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True)
class Finding:
    """One step on the way to a command server."""

    step: str
    outcome: Outcome
    seen: str
    """What was seen, as a sentence."""
    advice: str = ""
    """What to change, where there is something."""


def fine(step: str, seen: str) -> Finding:
    """Tell of a step that went well."""
    return Finding(step, Outcome.FINE, seen)


def failed(step: str, seen: str, advice: str) -> Finding:
    """Tell of a step that went wrong."""
    return Finding(step, Outcome.FAILED, seen, advice)


def look_up(name: str, used: str | None) -> Finding:
    """Look up a host name; `used` is the address that links take."""
    step = "Name resolution"
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return failed(
            step,
            f"{name} can't be resolved on devmode's machine.",
            "Set WORKER_HOSTNAME in the worker's workers.ini to a name or an address that devmode's"
            " machine knows, or make the name known there, and restart the worker.",
        )
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    named = name if addresses == [name] else f"{name} is {', '.join(addresses)}"
    return fine(step, f"{named}; links go to {used}." if used else f"{named}.")


def connect(address: Address) -> Finding:
    """Open a TCP connection and close it."""
    step, place = "TCP", f"{address.host} port {address.port}"
    try:
        socket.create_connection((address.host, address.port), PATIENCE_S).close()
    except TimeoutError:
        return failed(
            step,
            f"No answer from {place} within {PATIENCE_S:.0f} s.",
            f"A firewall on the way drops it: let devmode's machine through to the worker's ports"
            f" {WORKERS_PORTS}. Or the address is not the worker's: see WORKER_HOSTNAME.",
        )
    except ConnectionRefusedError:
        return failed(
            step,
            f"Nothing listens on {place}, or a firewall refuses.",
            "While isotovideo starts, and once it has ended, that is normal. Otherwise see that"
            " WORKER_HOSTNAME is the worker's machine, and that its firewall lets devmode's machine"
            f" through to the ports {WORKERS_PORTS}.",
        )
    except OSError as error:
        return failed(
            step,
            f"{place} can't be reached: {_reason(error)}.",
            "See the route from devmode's machine to the worker's, and WORKER_HOSTNAME.",
        )
    return fine(step, f"Something listens on {place}.")


def ask_without_token(address: Address) -> Finding:
    """Ask over HTTP what every command server refuses."""
    step = "HTTP without the token"
    try:
        status = _status(address, "GET", "/")
    except (OSError, http.client.HTTPException) as error:
        return failed(
            step,
            f"What listens there gives no HTTP answer: {_reason(error)}.",
            "Another program may have the port, or isotovideo hangs: see the end of its log.",
        )
    if status != HTTPStatus.NOT_FOUND:
        return failed(
            step,
            f"HTTP status {status}, where a command server says 404.",
            "Another program has the port: end it, or give the worker another instance number.",
        )
    return fine(step, "HTTP status 404, as a command server answers strangers.")


def ask_with_token(address: Address) -> Finding:
    """Ask over HTTP what only who has the token is answered; what the answer holds is not read."""
    step = "HTTP with the token"
    try:
        status = _status(address, "HEAD", f"/{address.token.reveal()}/vars")
    except (OSError, http.client.HTTPException) as error:
        return failed(step, f"No answer: {_reason(error)}.", "See the end of isotovideo's log.")
    if status != HTTPStatus.OK:
        return failed(
            step,
            f"HTTP status {status}: the command server on that port has another token.",
            "It belongs to another job. After a moment the worker tells of the right one; if not,"
            " two workers share an instance number, or an old isotovideo still runs there.",
        )
    return fine(step, "HTTP status 200: this is the job's command server.")


def _status(address: Address, method: str, path: str) -> int:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    finally:
        connection.close()


def _reason(error: Exception) -> str:
    """Say it without the text of the error, which may hold what was sent."""
    if isinstance(error, TimeoutError):
        return f"nothing came within {PATIENCE_S:.0f} s"
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number or 0, type(error).__name__)
