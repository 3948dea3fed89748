import pytest

from devmode.openqa.navigation import name_on

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


@pytest.mark.parametrize(("page", "name"), [(OLD, "Lena <b> Müller"), (NEW, "Lena")])
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
