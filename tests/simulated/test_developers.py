"""Who controls a job in openQA itself, as long as openQA can tell."""

from devmode.openqa.developers import Developers, _Known
from devmode.openqa.server import Server
from tests.simulated.openqa import SimulatedOpenQA, always

PANEL = """<div id="developer-global-session-info">
    Developer session has been opened by Demo
</div>"""


def test_an_openqa_that_has_a_problem_makes_nobody_forgotten(openqa: SimulatedOpenQA) -> None:
    server, known = Server(openqa.url), _Known()
    told: list[str | None] = []

    def ask() -> None:
        Developers._ask(server, 7, known, lambda: told.append(known.developer))

    openqa.broken = always("200 OK", PANEL)
    ask()
    openqa.broken = always("500 Internal Server Error", "sorry")
    ask()
    assert told == ["Demo"]
    openqa.broken = always("200 OK", "nobody")
    ask()
    assert told == ["Demo", None]
