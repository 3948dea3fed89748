"""Chromium comes from the operating system, not from a download of the test tool."""

import os
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    # root, as in a container, can't have Chromium's sandbox.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    return {
        **browser_type_launch_args,
        "executable_path": "/usr/bin/chromium",
        "args": [*sandbox, *quiet, "--disable-gpu", "--disable-quic", "--no-first-run"],
    }
