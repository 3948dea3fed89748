import json
from pathlib import Path

import click
import pytest

from devmode.cli.access import Access, access_from

HERE = "http://127.0.0.1:8000"


def environment(home: Path, **variables: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(home), **variables}


def keep(home: Path, text: str, mode: int = 0o600) -> Path:
    path = home / "devmode" / "config.toml"
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_alone_will_do(tmp_path: Path) -> None:
    variables = environment(tmp_path, DEVMODE_URL="https://d.example/x/", DEVMODE_TOKEN="t")
    assert access_from(variables) == Access(url="https://d.example/x", token="t")


def test_without_an_address_it_is_this_machine(tmp_path: Path) -> None:
    assert access_from(environment(tmp_path, DEVMODE_TOKEN="t")).url == HERE


def test_the_file_of_one_alone_will_do(tmp_path: Path) -> None:
    keep(tmp_path, 'url = "https://d.example"\ntoken = "t"\n')
    assert access_from(environment(tmp_path)) == Access(url="https://d.example", token="t")


@pytest.mark.parametrize("around", ["{}\r", "{}\n", " {} ", "\t{}\r\n"])
def test_what_is_around_a_token_belongs_to_the_file_that_it_was_copied_from(
    tmp_path: Path, around: str
) -> None:
    assert access_from(environment(tmp_path, DEVMODE_TOKEN=around.format("t"))).token == "t"


@pytest.mark.parametrize("wrong", ["devmode_x\ny", "devmode_x\r\ny", "devmode_x y", "devmode_xß"])
def test_what_is_no_token_is_refused_without_telling_it(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(click.UsageError, match="The token of DEVMODE_TOKEN is none") as refusal:
        access_from(environment(tmp_path, DEVMODE_TOKEN=wrong))
    assert "devmode_x" not in refusal.value.message
    path = keep(tmp_path, f"token = {json.dumps(wrong)}\n")
    with pytest.raises(click.UsageError, match=f"The token of {path} is none") as refusal:
        access_from(environment(tmp_path))
    assert "devmode_x" not in refusal.value.message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = keep(tmp_path, 'token = "t"\n', mode)
    with pytest.raises(click.UsageError, match=f"chmod 600 {path}"):
        access_from(environment(tmp_path, DEVMODE_TOKEN="t"))


@pytest.mark.parametrize("text", ["token = 1", "token", 'tokn = "t"', "x ="])
def test_a_file_that_says_nothing_is_named(tmp_path: Path, text: str) -> None:
    path = keep(tmp_path, text)
    with pytest.raises(click.UsageError, match=str(path)):
        access_from(environment(tmp_path))


def test_a_kept_token_is_sent_to_no_other_server(tmp_path: Path) -> None:
    keep(tmp_path, 'url = "https://d.example"\ntoken = "t"\n')
    with pytest.raises(click.UsageError, match=r"no token for https://evil\.example"):
        access_from(environment(tmp_path, DEVMODE_URL="https://evil.example"))


@pytest.mark.parametrize(
    ("kept", "given"),
    [("https://d.example", "https://d.example/"), ("https://d.example/", "https://d.example")],
)
def test_a_slash_in_the_end_makes_no_other_server(tmp_path: Path, kept: str, given: str) -> None:
    keep(tmp_path, f'url = "{kept}"\ntoken = "t"\n')
    access = access_from(environment(tmp_path, DEVMODE_URL=given))
    assert access == Access(url="https://d.example", token="t")


@pytest.mark.parametrize(
    "url",
    [
        "d.example",
        "ftp://d.example",
        "http://",
        "http://[",
        "http://x:y",
        "http://x:99999",
        "http://x/größe",
        "http://x/a b",
        "http://x/\n",
        "http://x/?page=1",
        "http://x/?",
        "http://x/#top",
    ],
)
def test_what_is_no_address_is_named(tmp_path: Path, url: str) -> None:
    with pytest.raises(click.UsageError, match="is no address"):
        access_from(environment(tmp_path, DEVMODE_URL=url, DEVMODE_TOKEN="t"))
