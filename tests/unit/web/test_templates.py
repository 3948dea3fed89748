"""Templates are those of the devmode that has begun, whatever becomes of their files."""

from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, TemplateNotFound

from devmode.web.templates import Templates
from tests.apps import app_in


def test_what_was_read_at_the_start_is_rendered_though_the_next_version_is_there(
    tmp_path: Path,
) -> None:
    file = tmp_path / "jobs" / "page.html"
    file.parent.mkdir()
    file.write_text("of {{ what }}")
    environment = Environment(autoescape=True, loader=Templates(tmp_path))
    file.write_text("of {{ the_next.version }}")
    assert environment.get_template("jobs/page.html").render(what="now") == "of now"
    with pytest.raises(TemplateNotFound):
        environment.get_template("jobs/another.html")


def test_pages_are_made_though_no_file_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(*_which: object) -> None:
        raise OSError(24, "Too many open files")

    client = app_in(tmp_path).test_client()
    monkeypatch.setattr(FileSystemLoader, "get_source", too_many)
    assert client.get("/sign-in").status_code == 200
