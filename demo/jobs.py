"""One real job: isotovideo in a pool directory, from its preparation to its last process."""

import contextlib
import json
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from demo import processes, settings
from demo.errors import DemoError
from demo.pooldirectory import PoolDirectory
from demo.ports import Ports

GUEST = Path(__file__).parent / "guest"
ISO = Path(__file__).parent.parent / "instance" / "demo" / "guest.iso"

# GRUB polls its keyboard, so an emulated one keeps a processor busy: everything else goes first.
# And if whoever started the job is killed, the job is terminated instead of living on unseen.
ISOTOVIDEO = ("setpriv", "--pdeathsig", "TERM", "nice", "-n", "5", "isotovideo", "-d")

# How long isotovideo gets to end its children and to finish the video after SIGTERM.
PATIENCE_S = 15


class Job:
    """A job that runs from its making on; whoever makes one calls `stop` in the end."""

    def __init__(
        self, pool: Path, backend: str = "qemu", chosen: Mapping[str, str | int] | None = None
    ) -> None:
        chosen = chosen or {}
        _require_programs(backend)
        guest = {"ISO": str(guest_iso())} if backend == "qemu" else {}
        self.backend = backend
        with contextlib.ExitStack() as claims:
            self.directory = PoolDirectory(pool)
            claims.callback(self.directory.release)
            self.ports = Ports(settings.number(chosen, "QEMUPORT"), settings.number(chosen, "VNC"))
            claims.callback(self.ports.release)
            self.variables = settings.variables(
                backend, self.ports, self.pool / "needles", {**guest, **chosen}
            )
            self.directory.prepare()
            self.process = self._start()
            self._claims = claims.pop_all()

    @property
    def pool(self) -> Path:
        """The pool directory."""
        return self.directory.path

    @property
    def log(self) -> Path:
        """What isotovideo says; openQA's worker chooses the same name."""
        return self.pool / "autoinst-log.txt"

    def terminate(self) -> None:
        """Asks isotovideo to end the job."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float | None = None) -> int:
        """Waits for the end of isotovideo and returns its exit code.

        Raises DemoError if it never came to running a job.
        """
        exit_code = self.process.wait(timeout_s)
        if exit_code and not (self.pool / "os-autoinst.pid").exists():
            raise DemoError(f"isotovideo did not start: {_complaint(self.log)}")
        return exit_code

    def stop(self) -> None:
        """Ends whatever of the job still runs. Its files stay for the reader."""
        self.terminate()
        processes.wait_until(lambda: self.process.poll() is not None, PATIENCE_S)
        processes.end(self.process.pid, self.pool)
        self.process.wait()
        self._claims.close()

    def kill(self) -> None:
        """Ends all of it at once, as a power cut does. Its files stay as they are."""
        processes.kill(self.process.pid, self.pool)
        self.process.wait()
        self._claims.close()

    def results(self) -> dict[str, str]:
        """Returns the results of the test modules in their order, by full name.

        A module without one yet has the result "none".
        """
        folder = self.pool / "testresults"
        try:
            schedule = json.loads((folder / "test_order.json").read_text())
        except FileNotFoundError:
            return {}
        return {
            f"{module['category']}-{module['name']}": _result(folder, module["name"])
            for module in schedule
        }

    def _start(self) -> "subprocess.Popen[bytes]":
        # A copy: needles that are made while the job runs are no change of the distribution.
        shutil.copytree(settings.DISTRIBUTION / "needles", self.pool / "needles")
        (self.pool / "vars.json").write_text(json.dumps(self.variables, indent=1))
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                ISOTOVIDEO,
                cwd=self.pool,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.directory.remember(process.pid)
        return process


def guest_iso() -> Path:
    """Returns the boot medium of the guest, built anew if grub.cfg has changed since."""
    sources = (GUEST / "grub.cfg", GUEST / "build")
    if ISO.exists() and all(ISO.stat().st_mtime > source.stat().st_mtime for source in sources):
        return ISO
    built = subprocess.run([GUEST / "build", ISO], capture_output=True, text=True, check=False)
    if built.returncode:
        complaint = built.stderr.strip().splitlines() or ["it does not say why"]
        raise DemoError(f"The boot medium {ISO} could not be built: {complaint[-1]}")
    return ISO


def _require_programs(backend: str) -> None:
    programs = {"isotovideo": "os-autoinst"}
    if backend == "qemu":
        programs |= {
            "qemu-system-x86_64": "qemu-system-x86",
            "qemu-img": "qemu-utils",
            "grub-mkrescue": "grub-common",
            "xorriso": "xorriso",
            "mformat": "mtools",
        }
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    if missing:
        raise DemoError(f"Install the Debian packages that are missing: {' '.join(missing)}.")
    if backend == "qemu" and not Path("/usr/lib/grub/i386-pc").is_dir():
        raise DemoError("Install the Debian package that is missing: grub-pc-bin.")


def _result(folder: Path, module: str) -> str:
    try:
        return str(json.loads((folder / f"result-{module}.json").read_text())["result"])
    except FileNotFoundError:
        return "none"


def _complaint(log: Path) -> str:
    # Perl's own words stand between isotovideo's, which have a level.
    lines = (line.strip() for line in log.read_text(errors="replace").splitlines())
    complaints = (line for line in lines if line and "[debug]" not in line)
    return f"{next(complaints, 'it does not say why')} (see {log})"
