"""One job, openQA's own livehandler and devmode: whoever comes second is told of the first."""

import re

import websocket

from tests.chromium.server import Server
from tests.openqa.conftest import RunJob
from tests.openqa.instance import OpenQA
from tests.openqa.pages import Developer
from tests.waiting import until


def test_a_session_in_openqa_itself_is_told_before_anybody_takes_control(
    openqa: OpenQA, devmode: Server, run_job: RunJob
) -> None:
    job = run_job("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    livehandler = openqa.start_livehandler()
    olivia = Developer(devmode, "olivia")
    page = until(lambda: page_of(olivia, openqa, job), "devmode to hear of the job")
    assert "developer session in openQA itself" not in page
    theirs = websocket.create_connection(
        f"ws{livehandler.removeprefix('http')}/liveviewhandler/tests/{job}/developer/ws-proxy",
        cookie=f"mojolicious={openqa.session_cookie('otherdeveloper')}",
        timeout=15,
    )
    try:
        theirs.recv()
        page = until(
            lambda: (found := page_of(olivia, openqa, job)) and TOLD in found and found,
            "the other session to be told",
            limit_s=40,
        )
        assert "Take control" in page
    finally:
        theirs.close()
        openqa.stop_service("openqa-livehandler")


TOLD = "otherdeveloper has opened a developer session in openQA itself."


def page_of(olivia: Developer, openqa: OpenQA, job: int) -> str:
    """The page of that job of openQA, empty while devmode has none."""
    for path in set(re.findall(r'href="(/jobs/[0-9]+)"', olivia.get("/"))):
        page = olivia.get(path)
        if f"{openqa.url}/tests/{job}" in page:
            return page
    return ""
