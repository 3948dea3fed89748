from pathlib import Path

import pytest

from devmode.config import Settings, WrongSetting, kept_secret, load


def test_without_anything_set_devmode_serves_this_machine_alone(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert settings.bind == "127.0.0.1:8000"
    assert settings.trusted_hosts == ["localhost", "127.0.0.1", "[::1]"]
    assert settings.database_url == f"sqlite:///{tmp_path}/devmode.sqlite"
    assert settings.host


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('bind = "[::1]:1"\nhost = "file"\n')
    settings = load({"DEVMODE_HOST": "environment"}, tmp_path)
    assert (settings.bind, settings.host) == ("[::1]:1", "environment")


def test_numbers_come_as_text_from_the_environment(tmp_path: Path) -> None:
    assert load({"DEVMODE_STREAMS_PER_LOGIN": "5"}, tmp_path).streams_per_login == 5


def test_other_variables_are_nobodys_business(tmp_path: Path) -> None:
    assert load({"HOST": "x", "DEVMODE_UNKNOWN": "y"}, tmp_path).host != "x"


@pytest.mark.parametrize(
    "bind", ["", "8000", ":8000", "a:", "a:x", "a:0", "a:65536", "a:²", "a:-1", "a:" + "9" * 5000]
)
def test_a_wrong_address_stops_the_start_and_is_named(tmp_path: Path, bind: str) -> None:
    with pytest.raises(WrongSetting, match="DEVMODE_BIND"):
        load({"DEVMODE_BIND": bind}, tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "mysql://u:secret@h/d"), ("WORKERS", "0"), ("WORKERS", "x")],
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


def test_lists_are_split_and_their_gaps_left_out() -> None:
    settings = Settings(pool_directories="/a/*::/b", allowed_hosts="x, y,")
    assert settings.pool_globs == ("/a/*", "/b")
    assert settings.trusted_hosts[-2:] == ["x", "y"]
