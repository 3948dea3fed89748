from pathlib import Path

import pytest

from devmode.config import Settings, WrongSetting, chosen, kept_secret, load


def test_without_anything_set_devmode_serves_this_machine_alone(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert settings.bind == "127.0.0.1:8000"
    assert settings.trusted_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert settings.database_url == f"sqlite:///{tmp_path}/devmode.sqlite"
    assert settings.host


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('bind = "[::1]:1"\nhost = "file"\n')
    settings = load({"DEVMODE_HOST": "environment"}, tmp_path)
    assert (settings.bind, settings.host) == ("[::1]:1", "environment")


def test_numbers_come_as_text_from_the_environment(tmp_path: Path) -> None:
    assert load({"DEVMODE_STREAMS_PER_LOGIN": "5"}, tmp_path).streams_per_login == 5


def test_several_openqas_have_one_setting(tmp_path: Path) -> None:
    settings = load({"DEVMODE_OPENQA_URL": "https://a.example, http://b:9526/openqa"}, tmp_path)
    assert settings.openqa_urls == ("https://a.example", "http://b:9526/openqa")


@pytest.mark.parametrize(
    "url",
    [
        "openqa",
        "ftp://a",
        "https://",
        "http://u:secret@a",
        "http://a?secret",
        "http://a:0",
        "http://[",
        "http://a:x",
    ],
)
def test_what_is_no_address_of_an_openqa_stops_the_start(tmp_path: Path, url: str) -> None:
    with pytest.raises(WrongSetting, match="DEVMODE_OPENQA_URL") as wrong:
        load({"DEVMODE_OPENQA_URL": url}, tmp_path)
    assert "secret" not in str(wrong.value)


def test_other_variables_are_nobodys_business(tmp_path: Path) -> None:
    theirs = {"HOST": "x", "DEVMODE_PORT": "tcp://10.0.0.1:8000", "DEVMODE_SERVICE_HOST": "y"}
    assert load(theirs | {"DEVMODE_URL": "y", "DEVMODE_TOKEN": "y"}, tmp_path).host != "x"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("POOL_DIRECTORY", "POOL_DIRECTORIES"),
        ("OPENQA_URLS", "OPENQA_URL"),
        ("DATABASEURL", "DATABASE_URL"),
        ("WORKER", "WORKERS"),
    ],
)
def test_a_misspelled_setting_stops_the_start_and_the_right_one_is_named(
    tmp_path: Path, written: str, meant: str
) -> None:
    with pytest.raises(WrongSetting, match=f"DEVMODE_{meant} meant"):
        load({f"DEVMODE_{written}": "x"}, tmp_path)


@pytest.mark.parametrize(
    "bind", ["", "8000", ":8000", "a:", "a:x", "a:0", "a:65536", "a:²", "a:-1", "a:" + "9" * 5000]
)
def test_a_wrong_address_stops_the_start_and_is_named(tmp_path: Path, bind: str) -> None:
    with pytest.raises(WrongSetting, match="DEVMODE_BIND"):
        load({"DEVMODE_BIND": bind}, tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u:secret@h/d"),
        ("WORKERS", "0"),
        ("WORKERS", "65"),
        ("WORKERS", "x"),
        ("STREAMS", "0"),
        ("KEPT_DAYS", "-3"),
        ("AWAY_AFTER_S", "nan"),
        ("LOGIN_LIFETIME_S", "inf"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named_without_secrets(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(WrongSetting, match=f"(?i){name}") as wrong:
        load({f"DEVMODE_{name}": value}, tmp_path)
    assert "secret" not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [("binb = 1", "binb"), ("bind = 1", "bind"), ("bind =", "TOML"), ("away_after_s = []", "away")],
)
def test_a_wrong_file_stops_the_start_and_says_where(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(WrongSetting, match=named):
        load({}, tmp_path)


def test_a_file_that_can_not_be_read_stops_the_start_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(WrongSetting, match=r"config\.toml can't be read: Is a directory\."):
        load({}, tmp_path)


def test_the_secret_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first, second = load({}, tmp_path / "new"), load({}, tmp_path / "new")
    assert len(first.secret_key) >= 32
    assert first.secret_key == second.secret_key
    assert (tmp_path / "new/secret-key").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_can_not_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongSetting, match="can't be written"):
        kept_secret(tmp_path / "file" / "secret-key")


def test_the_start_code_is_never_empty_and_new_at_each_start(tmp_path: Path) -> None:
    codes = {load({"DEVMODE_START_CODE": ""}, tmp_path).start_code for _ in range(3)}
    assert len(codes) == 3
    assert all(len(code) >= 12 for code in codes)


def test_only_a_start_code_that_somebody_chose_is_chosen(tmp_path: Path) -> None:
    assert chosen({}, tmp_path).start_code == ""
    (tmp_path / "config.toml").write_text('start_code = "sesame"\n')
    assert chosen({}, tmp_path).start_code == load({}, tmp_path).start_code == "sesame"


def test_lists_are_split_and_their_gaps_left_out() -> None:
    settings = Settings(pool_directories="/a/*::/b", allowed_hosts="x, y,")
    assert settings.pool_globs == ("/a/*", "/b")
    assert settings.trusted_hosts[-2:] == ("x", "y")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.example", True),
        ("A.example:8000", True),
        ("b.a.example", False),
        ("c.example", True),
        ("b.c.example:1", True),
        ("bc.example", False),
        ("[2001:db8::1]", True),
        ("[2001:db8::1]:8000", True),
        ("[2001:db8::2]", False),
        ("", False),
        (":8000", False),
    ],
)
def test_a_site_goes_by_the_names_that_are_set(host: str, expected: bool) -> None:
    settings = Settings(allowed_hosts="a.Example, .c.example, [2001:db8::1]")
    assert settings.trusts(host) is expected


@pytest.mark.parametrize("address", ["8100", "0.0.0.0:8100", "[::]:8100", "a.example:8100", "::1"])
def test_an_internal_address_that_no_other_host_can_use_stops_the_start(
    tmp_path: Path, address: str
) -> None:
    with pytest.raises(WrongSetting, match="DEVMODE_INTERNAL_ADDRESS"):
        load({"DEVMODE_INTERNAL_ADDRESS": address, "DEVMODE_SECRET_KEY": "secret"}, tmp_path)


def test_hosts_that_are_to_know_each_other_need_a_secret_that_is_set(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match="DEVMODE_SECRET_KEY"):
        load({"DEVMODE_INTERNAL_ADDRESS": "192.0.2.7:8100"}, tmp_path)


@pytest.mark.parametrize("address", ["192.0.2.7:8100", "[2001:db8::7]:8100"])
def test_an_address_of_this_host_is_an_internal_address(tmp_path: Path, address: str) -> None:
    environment = {"DEVMODE_INTERNAL_ADDRESS": address, "DEVMODE_SECRET_KEY": "secret"}
    assert load(environment, tmp_path).internal_address == address


def test_settings_that_are_printed_tell_no_secret() -> None:
    assert "sesame" not in f"{Settings(start_code='sesame', secret_key='sesame')!r}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENQA_QUIT", "stop"),
        ("OPENQA_QUIT", ""),
        ("OPENQA_WEBSOCKETS_URL", "127.0.0.1:9527"),
        ("OPENQA_WEBSOCKETS_URL", "http://127.0.0.1:9527/api"),
        ("OPENQA_WORKER_KEYS", "KEYsecret"),
        ("OPENQA_WORKER_KEYS", "KEY:secret KEY:secret"),
        ("OPENQA_WORKER_KEYS", "KEY:"),
    ],
)
def test_a_wrong_setting_of_the_livehandler_stops_the_start_and_is_named(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(WrongSetting, match=f"DEVMODE_{name}") as wrong:
        load({f"DEVMODE_{name}": value}, tmp_path)
    assert "secret" not in str(wrong.value)


def test_openqas_websocket_server_may_be_none_and_its_workers_several(tmp_path: Path) -> None:
    named = {"DEVMODE_OPENQA_WEBSOCKETS_URL": "", "DEVMODE_OPENQA_WORKER_KEYS": "A:B, C:D"}
    settings = load(named, tmp_path)
    assert settings.openqa_websockets_url == ""
    assert settings.worker_keys == {"A": "B", "C": "D"}


@pytest.mark.parametrize("globs", ["needles", "/a:needles", "/srv/../etc", "~/needles"])
def test_folders_for_needles_are_whole_paths(tmp_path: Path, globs: str) -> None:
    with pytest.raises(WrongSetting, match="DEVMODE_NEEDLE_DIRECTORIES"):
        load({"DEVMODE_NEEDLE_DIRECTORIES": globs}, tmp_path)
