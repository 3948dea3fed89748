import pytest

from devmode.openqa.pages import developer_on, name_on

OLD = """
<li class="nav-item dropdown" id="user-action">
  <a href="#" class="nav-link dropdown-toggle" data-toggle="dropdown">Logged in as
      Lena &lt;b&gt; Müller
      <span class="caret"></span>
  </a>
  <div class="dropdown-menu"><a href="/admin/users">Users</a></div>
</li>
"""
NEW = '<li id="user-action"><a title="Contains…">Logged in as Lena</a><a>Logout</a></li>'

# As infopanel.html.ep has it.
PANEL = """
<div class="card-body">
  <div id="assigned-worker">Assigned worker: <a href="/admin/workers/1">vm:1</a></div>
  <div id="developer-global-session-info"{style}>
      {said}
  </div>
  <div id="clones">Clone of <a href="/tests/1">1</a></div>
</div>
"""


@pytest.mark.parametrize(
    ("page", "name"),
    [(OLD, "Lena <b> Müller"), (NEW, "Lena"), (f"{NEW}<![not[html]]>", "Lena")],
)
def test_the_greeting_names_who_is_signed_in(page: str, name: str) -> None:
    assert name_on(page) == name


@pytest.mark.parametrize(
    "page",
    [
        "",
        '<li id="user-action"><a href="/login">Login</a></li>',
        '<li id="user-action"><a>Logged in as </a></li>',
        "<a>Logged in as Lena</a>",
        '<li id="user-action">Logged in as Lena',
        "Logged in as Lena" * 1000,
        '<li id="user-action"><a' * 100,
    ],
)
def test_a_page_that_greets_nobody_names_nobody(page: str) -> None:
    assert name_on(page) is None


def test_what_a_user_writes_elsewhere_on_the_page_is_nobodys_name() -> None:
    page = f'<h1>Search for <i>&lt;li id="user-action"&gt;Logged in as Mallory</i></h1>{NEW}'
    assert name_on(page) == "Lena"


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
    "page",
    ["", "<", "<div id=developer-global-session-info", "\x00", "not html", "<![not[html]]>"],
)
def test_what_is_no_panel_tells_of_nobody(page: str) -> None:
    assert developer_on(page) is None


def test_an_endless_name_is_cut() -> None:
    said = "Developer session has been opened by " + "x" * 10_000
    assert developer_on(PANEL.format(style="", said=said)) == "x" * 100
