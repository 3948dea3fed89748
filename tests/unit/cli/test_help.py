"""`--help`: every command shows how it is used."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from devmode.cli.main import main

PARAGRAPH = re.compile(r"Example.*:\n((?:.+\n)+)")
USE = re.compile(r"devmode ((?:'[^']*'|\"[^\"]*\"|[^|&)\n])+)")


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            yield (*path, name)
            if isinstance(command, click.Group):
                yield from commands(command, *path, name)


EVERY = [(), *commands(main)]


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_has_an_example_that_it_understands(path: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, [*path, "--help"]).output
    examples = PARAGRAPH.search(told)
    assert examples is not None
    found = [shlex.split(use) for use in USE.findall(examples[1])]
    assert any(tuple(words[: len(path)]) == path for words in found)
    for words in found:
        understand(words)


def command_of(path: tuple[str, ...]) -> click.Command:
    command: click.Command | None = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    return command


def understand(words: list[str]) -> None:
    """Reads a command without doing it; raises `UsageError`."""
    known = 2 if words[0] == "token" else 1
    command_of(tuple(words[:known])).make_context("", words[known:])


def test_every_option_says_what_it_is_for() -> None:
    options = [
        (path, option)
        for path in EVERY
        for option in command_of(path).params
        if isinstance(option, click.Option)
    ]
    assert [(path, option.name) for path, option in options if not option.help] == []
