"""The panel of a job's page, as openQA makes it (infopanel.html.ep)."""

import pytest

from devmode.openqa.infopanel import developer_on

PANEL = """
<div class="card-body">
  <div id="assigned-worker">Assigned worker: <a href="/admin/workers/1">vm:1</a></div>
  <div id="developer-global-session-info"{style}>
      {said}
  </div>
  <div id="clones">Clone of <a href="/tests/1">1</a></div>
</div>
"""


def test_the_developer_of_a_running_job_is_told() -> None:
    said = "Developer session has been opened by\n   O&#39;Neil &lt;admin&gt;"
    assert developer_on(PANEL.format(style="", said=said)) == "O'Neil <admin>"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Developer session was opened during testrun by Demo",
        "Developer session has been opened by",
    ],
)
def test_otherwise_there_is_none(said: str) -> None:
    assert developer_on(PANEL.format(style=' style="display: none;"', said=said)) is None


@pytest.mark.parametrize(
    "page", ["", "<", "<div id=developer-global-session-info", "\x00", "not html"]
)
def test_what_is_no_panel_tells_of_nobody(page: str) -> None:
    assert developer_on(page) is None


def test_an_endless_name_is_cut() -> None:
    said = "Developer session has been opened by " + "x" * 10_000
    assert developer_on(PANEL.format(style="", said=said)) == "x" * 100
