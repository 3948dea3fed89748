"""What somebody may see of a text; the job token is in none."""

from enum import Enum

from devmode.live.audience import Audience


class Sight(Enum):
    """How much of a text is masked besides the token."""

    ALL = "all"
    NOTHING_TYPED = "nothing that the test typed, which may be a password"


def sight_of(audience: Audience) -> Sight:
    """Tell what an audience may see."""
    sees_all = audience is Audience.OWNER or audience.is_administrator
    return Sight.ALL if sees_all else Sight.NOTHING_TYPED
