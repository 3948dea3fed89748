"""Real jobs in QEMU, and people who steer them."""

from tests.null.fixtures import app, folder, owner, qemu, sign_in
from tests.real.fixtures import qemu_job

__all__ = [
    "app",
    "folder",
    "owner",
    "qemu",
    "qemu_job",
    "sign_in",
]
