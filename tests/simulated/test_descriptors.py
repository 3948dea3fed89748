"""Descriptors under gevent: closed at once, not at the hub's next turn."""

import os
from pathlib import Path

import gevent
import pytest

from devmode.jobs.files import contents, opened


def test_what_was_read_is_closed_before_anything_else_has_its_turn(tmp_path: Path) -> None:
    (tmp_path / "vars.json").write_text("{}")
    gevent.sleep()  # without a hub that runs, gevent defers nothing
    with opened(tmp_path) as folder:
        assert contents(folder, "vars.json", 100) == b"{}"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(folder)
