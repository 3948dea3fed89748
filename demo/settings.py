"""The variables of a job, as isotovideo reads them from vars.json."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from demo.errors import DemoError
from demo.ports import Ports

Variables = dict[str, str | int]

DISTRIBUTION = Path(__file__).parent / "distribution"

QEMU: Variables = {
    "QEMU": "x86_64",
    # Plain emulation: slow, but it runs inside other virtual machines and containers.
    "QEMU_NO_KVM": 1,
    "QEMUCPU": "qemu64",
    "QEMURAM": 64,
    "QEMU_VIRTIO_RNG": 0,
    "NUMDISKS": 0,
    "BOOTFROM": "cdrom",
    "OFFLINE_SUT": 1,
}

NULL: Variables = {}

BACKENDS: Mapping[str, Variables] = {"qemu": QEMU, "null": NULL}


def variables(
    backend: str, ports: Ports, needles: Path, chosen: Mapping[str, str | int]
) -> Variables:
    """Returns all variables of a job with a new job token; chosen ones win."""
    return {
        "BACKEND": backend,
        **BACKENDS[backend],
        "ARCH": "x86_64",
        "DISTRI": "demo",
        "VERSION": "1",
        "FLAVOR": "grub",
        "TEST": "tour",
        "MACHINE": backend,
        # The text mode of a PC, which is all that GRUB shows.
        "XRES": 720,
        "YRES": 400,
        "NAME": f"demo-1-grub-x86_64-tour@{backend}",
        "WORKER_ID": 1,
        "WORKER_INSTANCE": 1,
        "CASEDIR": str(DISTRIBUTION),
        "NEEDLES_DIR": str(needles),
        "JOBTOKEN": secrets.token_urlsafe(12),
        **with_whole_schedule(chosen),
        "QEMUPORT": ports.qemuport,
        "VNC": ports.vnc,
    }


def with_whole_schedule(chosen: Mapping[str, str | int]) -> Variables:
    """Returns the variables with SCHEDULE in os-autoinst's spelling, tests/boot/menu_visible.

    os-autoinst would only warn of a module that does not exist and then fail in another way.
    """
    if "SCHEDULE" not in chosen:
        return dict(chosen)
    modules = [
        f"tests/{name.removeprefix('tests/').removesuffix('.pm')}"
        for name in str(chosen["SCHEDULE"]).replace(",", " ").split()
    ]
    for module in modules:
        if not (DISTRIBUTION / f"{module}.pm").is_file():
            raise DemoError(f"There is no test module {module}.pm in {DISTRIBUTION}.")
    return {**chosen, "SCHEDULE": ",".join(modules)}


def number(chosen: Mapping[str, str | int], variable: str) -> int | None:
    """Returns a chosen variable as a number, or None if it was not chosen."""
    if variable not in chosen:
        return None
    try:
        return int(chosen[variable])
    except ValueError as error:
        raise DemoError(f"{variable} must be a number and not {chosen[variable]!r}.") from error
