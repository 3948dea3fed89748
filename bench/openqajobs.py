"""Jobs that run as far as an openQA's database knows, without a scheduler and workers."""

import contextlib
from pathlib import Path

from tests.databases import PostgresqlServer
from tests.openqa.instance import OpenQA


def start_pages(stack: contextlib.ExitStack, folder: Path) -> tuple[OpenQA, PostgresqlServer]:
    """Start openQA's pages and a PostgreSQL for them, which end with the stack."""
    postgresql = PostgresqlServer()
    stack.callback(postgresql.remove)
    postgresql.start()
    openqa = OpenQA(folder, postgresql, log_level="info")
    stack.callback(openqa.stop)
    openqa.start_pages()
    return openqa, postgresql


def tell_of_jobs(openqa: OpenQA, count: int, properties: dict[str, list[str]]) -> None:
    """Forget all jobs and fill the tables as a scheduler and workers would: jobs 1 to `count`.

    `properties` are what each job's worker has told of itself, by name, a value for each job.
    """
    openqa.execute("TRUNCATE jobs, workers CASCADE")
    openqa.execute(
        "INSERT INTO workers (id, host, instance, t_created, t_updated)"
        " SELECT n, '127.0.0.1', n, now(), now() FROM generate_series(1, %s) AS n",
        (count,),
    )
    openqa.execute(
        "INSERT INTO jobs"
        " (id, state, test, assigned_worker_id, t_started, t_created, t_updated)"
        " SELECT id, 'running', 'bench', id, now(), now(), now() FROM workers"
    )
    openqa.execute("UPDATE workers SET job_id = id")
    for key, values in properties.items():
        openqa.execute(
            "INSERT INTO worker_properties (worker_id, key, value, t_created, t_updated)"
            " SELECT n, %s, value, now(), now()"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS found (value, n)",
            (key, values),
        )
