"""Factories of real jobs, for the conftest.py of every group of tests that needs some.

job = null_job("boot/menu_visible", "shell/small_steps", PAUSE_AT="shell-small_steps")
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.real.job import RealJob

StartJob = Callable[..., RealJob]


@pytest.fixture
def null_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartJob]:
    """Starts jobs without a virtual machine; a module or two take two seconds."""
    with starting_jobs("null", tmp_path_factory) as start:
        yield start


@pytest.fixture
def qemu_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartJob]:
    """Starts jobs in QEMU; the boot menu is there after four seconds."""
    with starting_jobs("qemu", tmp_path_factory) as start:
        yield start


@contextmanager
def starting_jobs(backend: str, folders: pytest.TempPathFactory) -> Iterator[StartJob]:
    """Ends in the end what was started."""
    jobs: list[RealJob] = []

    def start(*modules: str, **variables: str | int) -> RealJob:
        if modules:
            variables["SCHEDULE"] = ",".join(modules)
        job = RealJob(folders.mktemp("pool"), backend, **variables)
        jobs.append(job)
        job.start()
        job.wait_until_listening()
        return job

    try:
        yield start
    finally:
        for job in jobs:
            job.stop()
