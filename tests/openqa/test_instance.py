"""What the other tests of this group rely on: that it is a real openQA."""

import urllib.error
import urllib.request

import pytest

from tests.openqa.instance import OpenQA, signed


def test_a_worker_runs_a_real_job_that_pauses(openqa: OpenQA, paused_job: int) -> None:
    job = openqa.job(paused_job)
    assert job["state"] == "running"
    assert job["settings"]["PAUSE_AT"] == "boot-menu_visible"
    assert (openqa.pool / "job.json").exists()


def test_somebody_who_signed_in_is_known_by_the_cookie(openqa: OpenQA) -> None:
    cookie = {"Cookie": f"mojolicious={openqa.session_cookie('Demo')}"}
    request = urllib.request.Request(f"{openqa.url}/session/test", headers=cookie)
    with urllib.request.urlopen(request) as answer:
        assert answer.read() == b"You can see this because you are Demo"


def test_roles_can_be_changed(openqa: OpenQA) -> None:
    cookie = {"Cookie": f"mojolicious={openqa.session_cookie('nobody')}"}
    openqa.grant("nobody", operator=True, administrator=False)
    request = urllib.request.Request(f"{openqa.url}/session/test", headers=cookie)
    with urllib.request.urlopen(request) as answer:
        assert answer.read() == b"You can see this because you are nobody"


def test_a_request_with_a_wrong_secret_is_refused(openqa: OpenQA) -> None:
    path = "/api/v1/jobs/1/cancel"
    headers = signed(path, openqa.key, "0000000000000000")
    request = urllib.request.Request(openqa.url + path, b"", headers, method="POST")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)
