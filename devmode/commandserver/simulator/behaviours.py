"""How a simulated command server behaves, and in which ways it may misbehave."""

from typing import Any

import gevent

Message = dict[str, Any]


class WellBehaved:
    """Does what os-autoinst does; the misbehaviours differ from it in one way each."""

    def shakes_hands(self) -> bool:
        """Tell whether the next connection gets a handshake."""
        return True

    def takes(self, _command: Message) -> bool:
        """Tell whether a command gets to the job, maybe after a while."""
        return True

    def alters(self, message: Message) -> list[Message | str]:
        """Return what is sent in the place of a message; texts go out as they are."""
        return [message]

    def closes(self, _connection: int, _sent: int) -> bool:
        """Tell whether a connection, numbered from 1, ends after so many messages."""
        return False


class NeverAnswers(WellBehaved):
    """Takes connections and says nothing, maybe from a certain command on: isotovideo is dead."""

    def __init__(self, after_commands: int = 0) -> None:
        self._left = after_commands
        self._silent = after_commands == 0

    def takes(self, _command: Message) -> bool:
        """See `WellBehaved`."""
        self._silent = self._left == 0
        self._left = max(0, self._left - 1)
        return not self._silent

    def alters(self, message: Message) -> list[Message | str]:
        """See `WellBehaved`."""
        return [] if self._silent else [message]


class AnswersLate(WellBehaved):
    """Takes its time over every command."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def takes(self, _command: Message) -> bool:
        """See `WellBehaved`."""
        gevent.sleep(self._seconds)
        return True


class AnotherVersion(WellBehaved):
    """Speaks another major version of the developer mode."""

    def __init__(self, major: int) -> None:
        self._major = major

    def alters(self, message: Message) -> list[Message | str]:
        """See `WellBehaved`."""
        if "devel_mode_major_version" not in message:
            return [message]
        return [message | {"devel_mode_major_version": self._major}]


class NoVersion(WellBehaved):
    """Tells no version in its status."""

    def alters(self, message: Message) -> list[Message | str]:
        """See `WellBehaved`."""
        return [{k: v for k, v in message.items() if not k.startswith("devel_mode_")}]


class Garbage(WellBehaved):
    """Says things that are no messages between those that are."""

    def alters(self, message: Message) -> list[Message | str]:
        """See `WellBehaved`."""
        return ["", "no JSON", "[1]", "null", '{"paused":', {"tags": 5, "reason": []}, message]


class HugeMessage(WellBehaved):
    """Puts a message of five megabytes before every status."""

    def alters(self, message: Message) -> list[Message | str]:
        """See `WellBehaved`."""
        if "running" not in message:
            return [message]
        return [{"serial": "x" * 5_000_000, "position": 0}, message]


class EndlessMessage(WellBehaved):
    """Answers the first status with twenty megabytes, and has recovered from that afterwards."""

    def __init__(self) -> None:
        self._sent = False

    def alters(self, message: Message) -> list[Message | str]:
        """See `WellBehaved`."""
        if self._sent or "running" not in message:
            return [message]
        self._sent = True
        return [{"serial": "x" * 20_000_000, "position": 0}]


class ClosesAfter(WellBehaved):
    """Ends the first connection after so many messages."""

    def __init__(self, messages: int) -> None:
        self._messages = messages

    def closes(self, connection: int, sent: int) -> bool:
        """See `WellBehaved`."""
        return connection == 1 and sent >= self._messages


class AcceptsAndStalls(WellBehaved):
    """Accepts connections, but gives none a handshake."""

    def shakes_hands(self) -> bool:
        """See `WellBehaved`."""
        return False
