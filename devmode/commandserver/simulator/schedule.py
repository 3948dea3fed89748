"""What a simulated job does: test modules and the commands in them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TypeString:
    """Type a text."""

    text: str


@dataclass(frozen=True)
class SendKey:
    """Press a key."""

    key: str


@dataclass(frozen=True)
class CheckScreen:
    """Look for a needle that appears after some seconds, or never."""

    tag: str
    appears_after_s: float | None = 1.0
    timeout_s: float = 30
    must_match: bool = True

    @property
    def function(self) -> str:
        """Name of the API function."""
        return "assert_screen" if self.must_match else "check_screen"


@dataclass(frozen=True)
class FailingScript:
    """An `assert_script_run` whose command never ends."""

    command: str


@dataclass(frozen=True)
class Die:
    """Let the test module die."""

    message: str


Step = TypeString | SendKey | CheckScreen | FailingScript | Die


@dataclass(frozen=True)
class Module:
    """One test module."""

    category: str
    name: str
    steps: tuple[Step, ...]

    @property
    def full_name(self) -> str:
        """Return the name that is unique in the schedule."""
        return f"{self.category}-{self.name}"


def _typing(lines: int) -> tuple[Step, ...]:
    steps: list[Step] = []
    for line in range(lines):
        steps += [TypeString(f"echo line {line}"), SendKey("ret")]
    return tuple(steps)


DEMO = (
    Module("boot", "menu", (CheckScreen("boot-menu", 3), SendKey("down"), SendKey("ret"))),
    Module("shell", "login", (CheckScreen("login", 4), *_typing(4), CheckScreen("prompt"))),
    Module("shell", "small_steps", _typing(12)),
    Module("shell", "mismatch", (CheckScreen("never-there", None, 8, must_match=False),)),
    Module("shell", "script", (*_typing(3), FailingScript("sleep 1000"), *_typing(2))),
    Module("shell", "failure", (*_typing(3), Die("this module dies on purpose"))),
    Module("shell", "wrap_up", (*_typing(12), CheckScreen("done", 2))),
)
"""A job of about a minute that meets every kind of pause."""
