"""A process says whether it should be sent people."""

from pathlib import Path

from tests.apps import app_in


def test_a_process_without_a_lease_lives_and_is_not_ready(tmp_path: Path) -> None:
    client = app_in(tmp_path).test_client()
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert (ready.status_code, ready.text) == (503, "the lease has lapsed\n")
