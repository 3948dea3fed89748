"""A simulated job in a process of its own, which bears witness of every command it was sent.

    simulated.py POOL WITNESS MODULES [HOST]

It pauses nowhere by itself, and each of its MODULES test modules can be named once by a test, so
that every command is told from every other. It listens on HOST, else on the loopback. SIGUSR1 cuts
all connections to the command server, SIGUSR2 has it send a flood, and SIGHUP ends it alone, or has
it begin again where it was.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
from gevent.event import Event  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

from devmode.commandserver.simulator import Simulator, server  # noqa: E402
from devmode.commandserver.simulator import __main__ as player  # noqa: E402
from devmode.commandserver.simulator.schedule import Module, SendKey  # noqa: E402

FLOOD = 20_000


class Witness(Simulator):
    """Writes down who sent what, and when, as it comes in."""

    def __init__(self, schedule: tuple[Module, ...], path: Path) -> None:
        super().__init__(schedule, pace_s=0.2)
        self._file = path.open("a", buffering=1)

    def take(self, frame: str | bytes, sender: int) -> None:
        in_flight = [command["cmd"] for command in self._backlog]
        super().take(frame, sender)
        line = [time.time(), sender, in_flight, self.received[-1]]
        print(json.dumps(line), file=self._file)

    def go_or_come_back(self) -> None:
        if self._server.started:
            self._server.close()
            self.cut()
        else:
            self._server = StreamServer(self._server.address, self._serve)
            self._server.start()

    def flood(self) -> None:
        for number in range(FLOOD):
            self.broadcast({"flood": number, "filling": "x" * 1000})
            if number % 100 == 0:
                gevent.sleep(0)


def main(pool: str, witness: str, modules: str, host: str = server.HOST) -> None:
    server.HOST = host
    schedule = tuple(
        Module("m", str(number), (SendKey("ret"),) * 3000) for number in range(int(modules))
    )
    player.DEMO = schedule
    simulator = Witness(schedule, Path(witness))
    stopped = Event()
    gevent.signal_handler(signal.SIGTERM, stopped.set)
    gevent.signal_handler(signal.SIGHUP, simulator.go_or_come_back)
    gevent.signal_handler(signal.SIGUSR1, simulator.cut)
    gevent.signal_handler(signal.SIGUSR2, simulator.flood)
    os.chdir(pool)
    player.NAME = Path(pool).name
    simulator.start()
    directory = player.Pool()
    directory.begin(simulator)
    gevent.wait([stopped, simulator.ended], count=1)
    directory.end()
    simulator.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
