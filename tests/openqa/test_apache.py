"""devmode in livehandler's place behind Apache, as openQA sets it up and deploy/ completes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chromium.server import Server
from tests.openqa.apache import OPENQAS_OWN, OURS, Apache
from tests.openqa.conftest import RunJob
from tests.openqa.instance import OpenQA
from tests.openqa.pages import Developer, Tab, refused
from tests.waiting import until

PAUSED = "reached module boot-choose_entry"


def test_pages_websockets_and_pictures_go_through_apache(
    openqa: OpenQA, devmode: Server, run_job: RunJob, tmp_path: Path
) -> None:
    # At the first module there is nothing to be seen yet.
    job = run_job("boot/menu_visible", "boot/choose_entry", PAUSE_AT="boot-choose_entry")
    olivia = Developer(devmode, "olivia")
    with apache(tmp_path / "own", openqa, OPENQAS_OWN) as own:
        steers(olivia.at(own), job, pause_on_failure=1)
    with apache(tmp_path / "completed", openqa, OURS, OPENQAS_OWN) as completed:
        steers(olivia.at(completed), job, pause_on_failure=0)
        origin = "http://evil.example"
        assert refused(lambda: olivia.at(completed).watches(job, origin=origin))[0] == 403
        assert b"openQA" in olivia.opens(f"{completed.url}/tests/{job}").read()
        # Where Debian 12's openQA asks for pictures, and where newer ones do.
        for path in (f"tests/{job}/streaming", f"liveviewhandler/tests/{job}/streaming"):
            with olivia.opens(f"{completed.url}/{path}") as stream:
                assert stream.headers["Content-Type"].startswith("text/event-stream")
                picture = next(line for line in stream if line.startswith(b"data: "))
            assert picture.startswith(b"data: data:image/png;base64,iVBORw0KGgo")


@contextmanager
def apache(folder: Path, openqa: OpenQA, *configurations: Path) -> Iterator[Apache]:
    folder.mkdir()
    started = Apache(folder, openqa, *configurations)
    try:
        yield started
    finally:
        started.stop()


def steers(olivia: Developer, job: int, pause_on_failure: int) -> None:
    """Watches, takes control and lets the job keep its pause."""
    watching = until(lambda: paused(olivia, job), "the pause")
    tab = olivia.controls(job)
    tab.hear_data(developer_session_is_yours=True)
    tab.send(cmd="set_pause_on_failure", flag=bool(pause_on_failure))
    watching.hear_data(set_pause_on_failure=pause_on_failure)
    tab.close()
    watching.close()


def paused(olivia: Developer, job: int) -> Tab | None:
    """A websocket that watches, once devmode knows of the pause."""
    tab = olivia.watches(job)
    while (message := tab.hear()) is not None:
        if (message["data"] or {}).get("test_execution_paused") == PAUSED:
            return tab
        if (message["data"] or {}).get("reason") == PAUSED:
            return tab
    return None
