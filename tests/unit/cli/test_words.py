from msgspec.structs import replace

from devmode import schemas
from devmode.cli.words import harmless, plain, table_line
from tests.unit.cli.made import job, paused


def test_somebody_elses_text_commands_no_terminal() -> None:
    assert plain("\x1b]0;gotcha\x07 a\nb\x9b31m\r\x00c") == "]0;gotcha a b 31m c"


def test_a_text_of_somebody_else_keeps_its_lines_and_commands_no_terminal() -> None:
    told = "\x1b[31;1mred\x1b[0m\r\n\tgrößer\x1b]0;gotcha\x07 \x9b31m\x00\x1b"
    assert harmless(told) == "red\n\tgrößer]0;gotcha 31m"


def test_other_scripts_stay_as_they_are() -> None:
    assert plain("größer 大きい") == "größer 大きい"


def test_a_module_that_is_paused_or_was_cancelled_is_not_counted_as_done() -> None:
    results = {"a": "ok", "b": "fail", "c": "na", "d": "canceled", "e": ""}
    modules = tuple(
        schemas.Module(name=name, category="boot", result=told) for name, told in results.items()
    )
    assert table_line(job(modules=modules)).split()[1] == "2/5"
    assert (
        table_line(replace(paused("boot-b (post fail hook)"), modules=modules)).split()[1] == "1/5"
    )
