from pathlib import Path

import pytest

from devmode.openqa.clientconf import UnreadableClientConf, credentials_for, places
from devmode.openqa.signing import Credentials

CONF = """
[openqa.example.org]
key = 1111222233334444
secret = 5555666677778888

[localhost:9526]
key = AAAA
secret = BBBB

[half.example.org]
key = CCCC
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "client.conf"
    path.write_text(CONF)
    return path


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://openqa.example.org", "1111222233334444"),
        ("https://openqa.example.org:8443/openqa", "1111222233334444"),
        ("http://localhost:9526", "AAAA"),
        ("http://localhost", None),
        ("http://half.example.org", None),
        ("http://other.example.org", None),
    ],
)
def test_a_section_is_named_by_host_and_port_or_by_the_host(
    conf: Path, url: str, key: str | None
) -> None:
    found = credentials_for(url, (conf,))
    assert (found.key if found else None) == key


def test_the_first_file_counts(conf: Path, tmp_path: Path) -> None:
    url = "http://localhost:9526"
    found = credentials_for(url, (tmp_path / "missing", conf, tmp_path / "other"))
    assert found == Credentials("AAAA", "BBBB")
    assert credentials_for(url, (tmp_path / "missing",)) is None


def test_a_broken_file_is_told_without_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "client.conf"
    path.write_text("secret = 5555666677778888\n")
    with pytest.raises(UnreadableClientConf, match=r"client\.conf") as error:
        credentials_for("http://localhost", (path,))
    assert "5555" not in str(error.value)
    assert error.value.__cause__ is None


def test_it_lies_where_openqas_clients_look() -> None:
    assert places({"HOME": "/home/o"})[0] == Path("/home/o/.config/openqa/client.conf")
    assert places({"HOME": "/home/o", "OPENQA_CONFIG": "/x"})[0] == Path("/x/client.conf")
    assert places({})[1] == Path("/etc/openqa/client.conf")
