"""Real jobs without a virtual machine, and people who steer them."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.null.fixtures import (
    Watched,
    app,
    folder,
    null,
    oscar,
    owner,
    sign_in,
    unique_name,
    victor,
)
from tests.real.fixtures import null_job
from tests.real.job import RealJob

__all__ = [
    "app",
    "folder",
    "null",
    "null_job",
    "oscar",
    "owner",
    "sign_in",
    "victor",
]


@pytest.fixture(scope="session")
def running_job(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    real = RealJob(
        tmp_path_factory.mktemp("pool"),
        SCHEDULE="boot/menu_visible",
        PAUSE_AT="boot-menu_visible",
        NAME=unique_name(),
    )
    try:
        real.start()
        real.wait_until_listening()
        yield Watched(real, app.extensions["devmode"].feed)
    finally:
        real.stop()


@pytest.fixture
def shared_job(running_job: Watched) -> Watched:
    """A job that stays paused at its first module, for tests that leave it as it is."""
    running_job.feed.view_for_page(running_job.id)
    running_job.wait_for_pause()
    assert running_job.view.session is None, "an earlier test has kept control"
    return running_job
