"""A virtual machine that ends under its test."""

import os
import signal

from devmode.live.view import LiveView
from tests.null.fixtures import Person, StartWatched


def test_whoever_watches_is_told_that_the_machine_is_gone(
    qemu: StartWatched, owner: Person
) -> None:
    job = qemu("boot/menu_visible", "shell/long_wait", LONG_WAIT=300)
    owner.get(f"/jobs/{job.id}")
    job.wait_for(lambda view: view.current_module == "shell-long_wait", "the last module")
    job.wait_for(lambda view: view.job.modules[0].result == "ok", "the first result")
    job.wait_for(lambda view: view.screen_facts.has_picture, "a picture")
    told: list[str] = []

    def notes_until_the_end(view: LiveView) -> bool:
        if view.headline.title not in told:
            told.append(view.headline.title)
        return view.headline.kind == "ended"

    os.kill(int((job.real.pool / "qemu.pid").read_text()), signal.SIGKILL)
    # isotovideo does not outlive its machine: this is over within about a second.
    view = job.wait_for(notes_until_the_end, "the end")
    assert told[-2:] == ["About to stop", "Ended"]
    # Its backend often ends before it has written down why, and the module before its result.
    how = view.headline.detail.removesuffix(": QEMU exited unexpectedly, see log for details")
    assert how in ("stopped early, 1 of 2 modules without a result", "1 of 2 modules failed")
    assert view.screen.note == "The last picture of this job."
    page = owner.get(f"/jobs/{job.id}").text
    assert view.headline.detail in page
    assert owner.get(f"/jobs/{job.id}/screen.png").data.startswith(b"\x89PNG")
