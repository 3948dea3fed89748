"""`devmode token`, on a database of its own."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from devmode.cli import exits
from devmode.cli.main import main


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVMODE_DATABASE_URL", f"sqlite:///{tmp_path / 'devmode.sqlite'}")
    monkeypatch.setenv("DEVMODE_SECRET_KEY", "only for tests")


def token(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["token", *arguments])


def create(name: str = "ci", role: str = "viewer", *options: str) -> Result:
    return token("create", "--name", name, "--role", role, *options)


def test_a_new_token_is_all_that_is_printed() -> None:
    made = create()
    assert (made.exit_code, made.stderr) == (0, "")
    assert re.fullmatch(r"devmode_[\w-]{43}\n", made.stdout)


def test_the_list_tells_everything_but_the_secret() -> None:
    secret = create("ci", "viewer", "--expires", "12h").stdout.strip()
    listed = token("list").stdout
    assert re.fullmatch(r"\w{8}  viewer  .*  never used  until \S+ \S+ UTC  ci\n", listed)
    assert secret not in listed
    assert secret not in token("list", "--json").stdout
    assert "no end  other" in (create("other"), token("list"))[1].stdout


def test_the_list_in_json_spells_roles_and_times_as_the_api_does() -> None:
    create("ci", "operator", "--expires", "12h")
    [told] = json.loads(token("list", "--json").stdout)
    assert (told["name"], told["role"]) == ("ci", "operator")
    made, expires = (datetime.fromisoformat(told[name]) for name in ("created_at", "expires_at"))
    assert (expires - made).total_seconds() == pytest.approx(12 * 3600, abs=10)
    assert (told["last_used_at"], told["revoked_at"]) == (None, None)


def test_a_database_that_can_not_be_reached_has_an_exit_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEVMODE_DATABASE_URL", "sqlite:////proc/no-place/devmode.sqlite")
    for command in (("list",), ("revoke", "ci"), ("create", "--name", "ci", "--role", "viewer")):
        refused = token(*command)
        assert (refused.exit_code, refused.stdout) == (exits.UNREACHABLE, "")
        assert "DEVMODE_DATABASE_URL can't be reached: " in refused.stderr


def test_a_revoked_token_stays_in_the_list() -> None:
    create()
    assert token("revoke", "ci").stdout == "Revoked 1 token.\n"
    assert "  revoked " in token("list").stdout
    again = token("revoke", "ci")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "no valid token ci" in again.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ("x" * 41, "viewer"),
        ("", "viewer"),
        (" x", "viewer"),
        ("x\x1b", "viewer"),
        ("ci", "king"),
        ("ci", "viewer", "--expires", "soon"),
        ("ci", "viewer", "--expires", "0d"),
    ],
)
def test_what_makes_no_sense_makes_no_token(wrong: tuple[str, ...]) -> None:
    refused = create(*wrong)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert token("list").stdout == ""
