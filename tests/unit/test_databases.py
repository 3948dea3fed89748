"""The PostgreSQL of tests and benches."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.waiting import until

STARTED = """
from tests.databases import PostgresqlServer

server = PostgresqlServer()
server.start()
print(server.folder, flush=True)
input()
"""


def test_a_server_ends_with_who_started_it_and_is_killed() -> None:
    command = [sys.executable, "-c", STARTED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout
        folder = Path(it.stdout.readline().strip())
        assert (folder / "data" / "postmaster.pid").exists()
        it.kill()
    until(lambda: not (folder / "data" / "postmaster.pid").exists(), "the server to end")
    shutil.rmtree(folder)
