from devmode.cli.words import harmless, plain


def test_somebody_elses_text_commands_no_terminal() -> None:
    assert plain("\x1b]0;gotcha\x07 a\nb\x9b31m\r\x00c") == "]0;gotcha a b 31m c"


def test_a_text_of_somebody_else_keeps_its_lines_and_commands_no_terminal() -> None:
    told = "\x1b[31;1mred\x1b[0m\r\n\tgrößer\x1b]0;gotcha\x07 \x9b31m\x00\x1b"
    assert harmless(told) == "red\n\tgrößer]0;gotcha 31m"


def test_other_scripts_stay_as_they_are() -> None:
    assert plain("größer 大きい") == "größer 大きい"
