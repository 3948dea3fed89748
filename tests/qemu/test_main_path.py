"""The way through devmode that most people take, on a job in a virtual machine."""

from devmode.commandserver.execution import PauseKind
from tests.null.fixtures import Person, StartWatched


def test_a_job_is_found_controlled_paused_resumed_stepped_and_let_go(
    qemu: StartWatched, owner: Person
) -> None:
    job = qemu("boot/menu_visible", "shell/small_steps", PAUSE_AT="boot-menu_visible", STAIRS=6)
    assert job.name in owner.get("/").text
    owner.takes_control(job)
    job.wait_for_pause()
    assert "Paused at module boot-menu_visible" in owner.get(f"/jobs/{job.id}").text

    owner.sets(job, pause_at="shell-small_steps")
    turn = job.view.execution.turn
    owner.does(job, "resume")
    view = job.wait_for_pause(after_turn=turn)
    assert view.headline.title == "Paused at module shell-small_steps"

    for _ in range(5):
        turn = job.view.execution.turn
        owner.does(job, "step")
        view = job.wait_for_pause(after_turn=turn)
        assert view.execution.pause is not None
        assert view.execution.pause.kind is PauseKind.NEXT_COMMAND

    owner.does(job, "session/release", then="continue")
    assert job.view.session is None
    job.wait_for_end()
    assert job.real.results() == {"boot-menu_visible": "ok", "shell-small_steps": "ok"}
