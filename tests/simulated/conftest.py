"""A simulated openQA, and databases of both kinds."""

import gc
from collections.abc import Iterator

import pytest

from tests.databases import database_url, postgresql
from tests.simulated.openqa import SimulatedOpenQA

__all__ = ["database_url", "openqa", "postgresql"]


@pytest.fixture
def openqa() -> Iterator[SimulatedOpenQA]:
    simulated = SimulatedOpenQA()
    yield simulated
    simulated.stop()


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Looks for no garbage meanwhile: what is gone then, nothing knew any more."""
    gc.disable()
    yield
    gc.enable()
