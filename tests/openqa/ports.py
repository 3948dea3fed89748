"""Ports for the services of an openQA, which take several ones in a row."""

import random
import socket

BASE_PORTS = range(11000, 19000, 10)
SERVICES = 10


class BasePort:
    """The first of ten free ports, reserved against other openQAs of tests until `release`."""

    def __init__(self) -> None:
        for number in random.sample(BASE_PORTS, len(BASE_PORTS)):
            reservation = socket.socket(socket.AF_UNIX)
            try:
                # The name exists once per network namespace and vanishes with its process.
                reservation.bind(f"\0devmode-test-openqa-{number}")
            except OSError:
                reservation.close()
                continue
            self.number = number
            self._reservation = reservation
            if all(_is_free(port) for port in range(number, number + SERVICES)):
                return
            reservation.close()
        raise AssertionError("no ports are free")

    def release(self) -> None:
        self._reservation.close()


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
