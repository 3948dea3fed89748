"""Real jobs without a virtual machine, and people who steer them."""

from tests.null.fixtures import (
    app,
    folder,
    null,
    oscar,
    owner,
    running_job,
    shared_job,
    sign_in,
    victor,
)
from tests.real.fixtures import null_job

__all__ = [
    "app",
    "folder",
    "null",
    "null_job",
    "oscar",
    "owner",
    "running_job",
    "shared_job",
    "sign_in",
    "victor",
]
