"""`devmode`: where its commands are put together."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click
from click.shell_completion import add_completion_class, get_completion_class

from devmode.cli.completing import Bash
from devmode.cli.exits import FAILED, INTERRUPTED, UNREAD, Failure, Refused, table
from devmode.errors import DevmodeError

COMMANDS = {
    "serve": "local:serve",
    "simulate": "local:simulate",
    "token": "tokens:token",
    "jobs": "looking:jobs",
    "status": "looking:status",
    "watch": "looking:watch",
    "wait": "looking:wait",
    "doctor": "looking:doctor",
    "screen": "recorded:screen",
    "log": "recorded:log",
    "timeline": "recorded:timeline",
    "steps": "recorded:steps",
    "result": "recorded:result",
    "control": "steering:control",
    "release": "steering:release",
    "ask": "steering:ask",
    "withdraw": "steering:withdraw",
    "decline": "steering:decline",
    "hand-over": "steering:hand_over",
    "take-over": "steering:take_over",
    "set": "steering:change",
    "pause": "steering:pause",
    "resume": "steering:resume",
    "step": "steering:step",
    "skip-timeout": "steering:skip_timeout",
    "give-up": "steering:give_up",
    "needle": "needles:needle",
    "restart": "steering:restart",
    "comment": "steering:comment",
    "completion": "main:completion",
}
"""Each command with the place where it is; only the one that is used is loaded."""

add_completion_class(Bash)


class Commands(click.Group):
    """The commands, loaded when they are needed: a server's parts are slow to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(f"devmode.cli.{module}"), name)
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """See `click.Group`; what goes wrong ends as the exit codes say."""
        with _documented_ends():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Group`; what goes wrong ends as the exit codes say."""
        with _documented_ends():
            return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Add the exit codes."""
        formatter.write(f"\nExit codes:\n{table()}\n")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="devmode")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Look at running os-autoinst jobs, take control of them, steer them.

    serve, simulate and token work on this machine. All others talk to the devmode at DEVMODE_URL
    (http://127.0.0.1:8000 if not set) with the token in DEVMODE_TOKEN; or name both, as url and
    token, in ~/.config/devmode/config.toml, which nobody else may be able to read.

    A JOB is a number of devmode's, the name of a job, or its number in openQA (openqa:4711 where
    devmode has that number too).

    \b
    Examples:
      devmode jobs
      devmode control 17 && devmode set 17 --pause-at console-shutdown
      devmode wait 17 --until paused --timeout 600 && devmode step 17 -n 3
      devmode release 17
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what lets a shell complete commands, options, jobs and modules.

    \b
    Example, for ~/.bashrc:
      eval "$(devmode completion bash)"
    """
    kind = get_completion_class(shell)
    # click.Choice lets no other shell pass.
    assert kind is not None  # noqa: S101
    click.echo(kind(main, {}, "devmode", "_DEVMODE_COMPLETE").source())


@contextmanager
def _documented_ends() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        # The line that the terminal shows ^C in.
        click.echo(err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        sys.exit(UNREAD)
    except OSError as error:
        _drop_output()
        raise Failure(f"The operating system refused: {error}", FAILED) from error
    except DevmodeError as error:
        raise Refused(error.code, error.sentence) from error


def _drop_output() -> None:
    """Throw away what can't be written: Python would try it again in the end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
