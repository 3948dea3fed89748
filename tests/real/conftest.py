"""Real jobs for the tests of this folder."""

from tests.real.fixtures import null_job, qemu_job

__all__ = ["null_job", "qemu_job"]
