import signal
from pathlib import Path

import pytest

from devmode.errors import JobNotRunning
from devmode.jobs.files import opened
from devmode.jobs.processes import Process, is_running, process_in, terminate
from tests.children import idle_in
from tests.waiting import LIMIT_S


def test_terminating_ends_that_very_process_and_no_later_one_of_its_pid(tmp_path: Path) -> None:
    pool = tmp_path
    with idle_in(pool) as child:
        with opened(pool) as directory:
            process = process_in(directory, child.pid)
        assert process
        with pytest.raises(JobNotRunning):
            terminate(pool, Process(child.pid, process.started - 1))
        with pytest.raises(JobNotRunning):
            terminate(pool / "gone", process)
        assert not is_running(pool / "gone", process)
        assert child.poll() is None
        terminate(pool, process)
        assert child.wait(LIMIT_S) == -signal.SIGTERM
        with pytest.raises(JobNotRunning):
            terminate(pool, process)
