"""A copy of this machine that systemd has booted: what is written there is gone in the end."""

import contextlib
import itertools
import os
import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.children import children
from tests.processes.world import ROOT
from tests.waiting import LIMIT_S, until

DEVMODE = Path("opt/devmode")
INSTALLED = ("bin/flask", "bin/gunicorn", "bin/devmode", "lib/python*/site-packages/_devmode.pth")
"""What is run there: it names the checkout that it was installed in."""


class Machine:
    """Has the network of whoever makes it, this checkout at /opt/devmode, and no service yet."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self._log = folder / "boot.log"
        self._mounts = contextlib.ExitStack()
        self._booted: subprocess.Popen[bytes] | None = None
        with contextlib.ExitStack() as mounts:
            memory = folder / "memory"
            memory.mkdir()
            _mount(mounts, memory, "tmpfs", "size=1g")
            _mount(mounts, self.root, "overlay", _layers(Path("/"), memory / "machine"))
            _mount(mounts, self.root / DEVMODE, "overlay", _layers(ROOT, memory / "devmode"))
            self._mounts = mounts.pop_all()
        environment = self.root / DEVMODE / ".venv"
        for file in itertools.chain.from_iterable(map(environment.glob, INSTALLED)):
            file.write_text(file.read_text().replace(str(ROOT), f"/{DEVMODE}", 1))
        (self.root / "etc/machine-id").write_text("")

    def __enter__(self) -> Self:
        # If whoever tests is killed, it is told to end, and does not live on unseen.
        boot = ["setpriv", "--pdeathsig", "TERM", "systemd-nspawn", "--quiet", "--boot"]
        options = [f"--directory={self.root}", "--register=no", "--keep-unit", "--console=pipe"]
        command = [*boot, *options, "--", "--unit=basic.target"]
        with self._log.open("wb") as log:
            self._booted = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            until(self._is_up, "systemd")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> None:
        """Cut its power: when its first process has ended, all of them have."""
        assert self._booted is not None
        if self._booted.poll() is None and (init := self._init()) is not None:
            os.kill(init, signal.SIGKILL)
        self._booted.wait(LIMIT_S)
        self._mounts.close()

    def does(self, command: str, user: str = "root") -> str:
        """Have a shell there do something, and return what it prints."""
        done = subprocess.run(
            [*self.entering(user), "sh", "-euc", command],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def entering(self, user: str = "root") -> list[str]:
        """What a command begins with that is to be run there."""
        enter = ["nsenter", "-t", str(self._init()), "-m", "-u", "-i", "-p", "-r", "-w", "--"]
        return [
            *enter,
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "runuser",
            "-u",
            user,
            "--",
        ]

    def _init(self) -> int | None:
        assert self._booted is not None
        assert self._booted.poll() is None, self._log.read_text()
        return next(iter(children(self._booted.pid)), None)

    def _is_up(self) -> bool:
        if self._init() is None:
            return False
        asked = [*self.entering(), "systemctl", "is-active", "--quiet", "basic.target"]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _layers(lower: Path, written: Path) -> str:
    upper, work = written / "upper", written / "work"
    for folder in (upper, work):
        folder.mkdir(parents=True)
    return f"lowerdir={lower},upperdir={upper},workdir={work}"


def _mount(mounts: contextlib.ExitStack, place: Path, kind: str, options: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", kind, "-o", options, kind, str(place)], check=True)
    mounts.callback(subprocess.run, ["umount", "--lazy", str(place)], check=True)
