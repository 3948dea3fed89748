"""Exit codes, so that scripts can build on them, and the errors that lead to them."""

import click

from devmode import errors
from devmode.errors import DevmodeError

FAILED = 1
JOB_NOT_FOUND = 3
JOB_ENDED = 4
NOT_PERMITTED = 5
STATE_CHANGED = 6
COMMAND_SERVER = 7
UNREACHABLE = 8
TIMED_OUT = 9
INTERRUPTED = 130
UNREAD = 141

MEANINGS = {
    0: "done; for “wait”: what was waited for is true",
    FAILED: "something else went wrong, it says what",
    2: "the command was not understood, or there is no usable address or token",
    JOB_NOT_FOUND: "there is no such job, or several go by that name",
    JOB_ENDED: "the job or the module has ended, so this can't be done or won't come true",
    NOT_PERMITTED: "no valid token, not the role for this, not in control, or openQA refused",
    STATE_CHANGED: "somebody else controls the job, or it is not in a state for this",
    COMMAND_SERVER: "the job's command server can't be reached or did not confirm",
    UNREACHABLE: "devmode, its database, the job's host or openQA is away, or has no room now",
    TIMED_OUT: "the time given with --timeout is up",
    INTERRUPTED: "Ctrl-C",
    UNREAD: "what read the output, “head” say, has ended",
}

_BY_ERROR: dict[type[DevmodeError], int] = {
    errors.JobNotFound: JOB_NOT_FOUND,
    errors.JobNotRunning: JOB_ENDED,
    errors.NotSignedIn: NOT_PERMITTED,
    errors.NotPermitted: NOT_PERMITTED,
    errors.NotSessionOwner: NOT_PERMITTED,
    errors.SessionLocked: STATE_CHANGED,
    errors.StateChanged: STATE_CHANGED,
    errors.CommandServerUnreachable: COMMAND_SERVER,
    errors.IncompatibleCommandServer: COMMAND_SERVER,
    errors.CommandNotConfirmed: COMMAND_SERVER,
    errors.OutcomeUnknown: COMMAND_SERVER,
    errors.DatabaseAway: UNREACHABLE,
    errors.OpenqaAway: UNREACHABLE,
    errors.HostAway: UNREACHABLE,
    errors.Overloaded: UNREACHABLE,
    errors.TooMany: UNREACHABLE,
    errors.OpenqaRefused: NOT_PERMITTED,
}
_BY_CODE = {error.code: exit_code for error, exit_code in _BY_ERROR.items()}


class Failure(click.ClickException):
    """A sentence on standard error, and an exit code.

    `retry_after_s` is when it is worth another try, in seconds, where the server says so.
    """

    def __init__(self, sentence: str, exit_code: int, retry_after_s: float | None = None) -> None:
        """End the command with both."""
        super().__init__(sentence)
        self.exit_code = exit_code  # type: ignore[misc] # click looks at the instance
        self.retry_after_s = retry_after_s


class Refused(Failure):
    """The server said no, with a `code` of `devmode.errors`."""

    def __init__(self, code: str, sentence: str, retry_after_s: float | None = None) -> None:
        """End the command with what the server said."""
        super().__init__(sentence, _BY_CODE.get(code, FAILED), retry_after_s)
        self.code = code


class Unreachable(Failure):
    """There is no server at the address, or it went away."""

    def __init__(self, sentence: str, retry_after_s: float | None = None) -> None:
        """End the command with a sentence that says what is there instead."""
        super().__init__(sentence, UNREACHABLE, retry_after_s)


class Lost(Unreachable):
    """The server, or the way to it, was lost before there was a whole answer."""


def table() -> str:
    """Return the exit codes as `--help` shows them."""
    return "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
