from devmode.cli.words import plain


def test_somebody_elses_text_commands_no_terminal() -> None:
    assert plain("\x1b]0;gotcha\x07 a\nb\x9b31m\r\x00c") == "]0;gotcha a b 31m c"


def test_other_scripts_stay_as_they_are() -> None:
    assert plain("größer 大きい") == "größer 大きい"
