"""What can go wrong, as one tree.

    DevmodeError
    ├── NotSignedIn
    ├── NotPermitted
    │   └── NotSessionOwner
    ├── FormExpired
    ├── ForeignHost
    ├── TooLarge
    ├── CutShort
    ├── TooSlow
    ├── TooMany
    ├── JobNotFound
    ├── TextNotFound
    ├── JobNotRunning
    ├── SessionLocked
    ├── StateChanged
    ├── InvalidCommand
    ├── NeedleNotSaved
    ├── CommandServerUnreachable
    ├── IncompatibleCommandServer
    ├── CommandNotConfirmed
    ├── OutcomeUnknown
    ├── HostAway
    ├── DatabaseAway
    │   └── ChangeUnknown
    ├── OpenqaAway
    ├── OpenqaRefused
    └── Overloaded

Each has a `code` for programs, and its text is a sentence for people that says what happened
and what to do. Only the web layer knows which HTTP status belongs to which error.
"""


class DevmodeError(Exception):
    """Something that a person using devmode should be told."""

    code = "error"
    retry_after_s: int | None = None
    """When it is worth another try, where that is only a matter of time."""
    field = ""
    """Which field of a form the sentence is about, where it is about one."""

    def __init__(self, sentence: str) -> None:
        """Keep the sentence that people read."""
        super().__init__(sentence)
        self.sentence = sentence


class NotSignedIn(DevmodeError):
    """Nobody is signed in, or the sign-in has expired."""

    code = "not_signed_in"


class NotPermitted(DevmodeError):
    """The role of this user, or of the devmode process, does not suffice."""

    code = "not_permitted"


class NotSessionOwner(NotPermitted):
    """Only the developer who controls the job may do this."""

    code = "not_session_owner"


class FormExpired(DevmodeError):
    """The form carries no valid CSRF token: sent from elsewhere, or from before a sign-in."""

    code = "form_expired"


class ForeignHost(DevmodeError):
    """The request names a host that devmode does not answer for."""

    code = "foreign_host"


class TooLarge(DevmodeError):
    """The request is larger than anything that devmode asks for."""

    code = "too_large"


class CutShort(DevmodeError):
    """The connection ended before the body was whole."""

    code = "cut_short"


class TooSlow(DevmodeError):
    """The body did not come in time."""

    code = "too_slow"


class TooMany(DevmodeError):
    """More at once, or more often, than one browser, person or program needs."""

    code = "too_many"

    def __init__(self, sentence: str, *, retry_after_s: int = 5) -> None:
        """Keep the sentence, and after how many seconds it is worth another try."""
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class JobNotFound(DevmodeError):
    """There is no job of this number."""

    code = "job_not_found"


class TextNotFound(DevmodeError):
    """There is no such file in the job's pool directory, or it can't be read."""

    code = "text_not_found"


class JobNotRunning(DevmodeError):
    """The job has ended."""

    code = "job_not_running"


class SessionLocked(DevmodeError):
    """Another developer controls the job."""

    code = "session_locked"


class StateChanged(DevmodeError):
    """The job is no longer in the state that the form was made for."""

    code = "state_changed"


class InvalidCommand(DevmodeError):
    """A command that does not exist, or makes no sense in the state the job is in."""

    code = "invalid_command"

    def __init__(self, sentence: str, field: str = "") -> None:
        """Keep also the field that the sentence is about."""
        super().__init__(sentence)
        self.field = field


class NeedleNotSaved(DevmodeError):
    """The needles folder took no new files, a full disk say; nothing was left in it."""

    code = "needle_not_saved"


class CommandServerUnreachable(DevmodeError):
    """The link to the command server did not come up, or is down."""

    code = "command_server_unreachable"


class IncompatibleCommandServer(DevmodeError):
    """The command server speaks another version of the developer mode API."""

    code = "incompatible_command_server"


class CommandNotConfirmed(DevmodeError):
    """The command server did not confirm a command in time."""

    code = "command_not_confirmed"


class OutcomeUnknown(DevmodeError):
    """The link or the process was lost while a command was on its way."""

    code = "outcome_unknown"


class HostAway(DevmodeError):
    """The host on which a job runs, where its files are, can't be reached."""

    code = "host_away"
    retry_after_s = 3


class DatabaseAway(DevmodeError):
    """The database can't be reached, or can't be written."""

    code = "database_away"
    retry_after_s: int | None = 3


class ChangeUnknown(DatabaseAway):
    """The database was lost before it said whether it had made a change."""

    code = "change_unknown"
    retry_after_s = None


class OpenqaAway(DevmodeError):
    """An openQA can't be reached, or answers with something that no openQA answers."""

    code = "openqa_away"
    retry_after_s = 5


class OpenqaRefused(DevmodeError):
    """An openQA did not do what it was asked for."""

    code = "openqa_refused"


class Overloaded(DevmodeError):
    """This process serves as many as it can, or is about to end."""

    code = "overloaded"
    retry_after_s = 3


def error_of(code: str) -> type[DevmodeError]:
    """Return the class of an error that travelled as its code."""
    kinds = (kind for kind in globals().values() if isinstance(kind, type))
    known = {kind.code: kind for kind in kinds if issubclass(kind, DevmodeError)}
    return known.get(code, DevmodeError)
