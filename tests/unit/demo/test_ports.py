import socket

import pytest

from demo.errors import DemoError
from demo.ports import Ports


def test_the_command_server_is_beside_qemuport() -> None:
    ports = Ports()
    ports.release()
    assert ports.command_server == ports.qemuport + 1


def test_a_chosen_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DemoError, match=f"Port {port} is taken"):
            Ports(qemuport=port - 1)


def test_ports_of_a_job_that_does_not_listen_yet_are_taken_until_released() -> None:
    first = Ports()
    with pytest.raises(DemoError, match="is taken"):
        Ports(qemuport=first.qemuport)
    first.release()
    Ports(qemuport=first.qemuport).release()


def test_a_refused_port_keeps_no_other() -> None:
    first = Ports()
    with pytest.raises(DemoError, match="VNC"):
        Ports(qemuport=first.qemuport + 10, vnc=first.vnc)
    first.release()
    Ports(qemuport=first.qemuport + 10).release()
