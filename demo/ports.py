"""Network ports for a job, free and reserved against other demo jobs that start meanwhile."""

import random
import socket

from demo.errors import DemoError

# Apart from the ports of openQA's workers (20003 + 10 n) and of a plain isotovideo (15223), and
# below those that the kernel gives to outgoing connections.
QEMU_PORTS = range(22002, 30002, 10)
VNC_DISPLAYS = range(200, 1000)


class Ports:
    """QEMUPORT and VNC of one job, reserved until `release`.

    The command server listens on `command_server`, QEMU's VNC server on 5900 + `vnc`.
    """

    def __init__(self, qemuport: int | None = None, vnc: int | None = None) -> None:
        self._reservations: list[socket.socket] = []
        try:
            self.qemuport = self._reserve("QEMUPORT", qemuport, QEMU_PORTS, offset=1)
            self.vnc = self._reserve("VNC", vnc, VNC_DISPLAYS, offset=5900)
        except DemoError:
            self.release()
            raise

    @property
    def command_server(self) -> int:
        """The port of the command server, which os-autoinst puts right after QEMUPORT."""
        return self.qemuport + 1

    def release(self) -> None:
        """Lets other jobs have these ports."""
        while self._reservations:
            self._reservations.pop().close()

    def _reserve(self, variable: str, wanted: int | None, choice: range, *, offset: int) -> int:
        candidates = random.sample(choice, len(choice)) if wanted is None else [wanted]
        for number in candidates:
            reservation = _reservation(number + offset)
            if reservation is not None:
                self._reservations.append(reservation)
                return number
        if wanted is None:
            raise DemoError(f"No port is free for {variable}.")
        raise DemoError(
            f"Port {wanted + offset} is taken, so {variable} can't be {wanted}:"
            " choose another one or leave the choice to the demo."
        )


def _reservation(port: int) -> socket.socket | None:
    # A job binds its ports some time after it was given them. Until then this name, which exists
    # once per network namespace and vanishes with its process, keeps other demo jobs away.
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"\0devmode-demo-port-{port}")
    except OSError:
        reservation.close()
        return None
    if _is_free(port):
        return reservation
    reservation.close()
    return None


def _is_free(port: int) -> bool:
    # os-autoinst and QEMU listen on all addresses, of both families.
    return all(_can_listen(family, port) for family in (socket.AF_INET, socket.AF_INET6))


def _can_listen(family: socket.AddressFamily, port: int) -> bool:
    try:
        listener = socket.socket(family)
    except OSError:
        return True  # a machine without IPv6
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind(("", port))
        except OSError:
            return False
    return True
