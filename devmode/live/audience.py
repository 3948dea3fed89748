"""Who looks at a job: all of one audience are told the same, in the same bytes."""

from enum import Enum

from devmode.sessions.store import SessionFacts
from devmode.sessions.users import Role, Visitor


class Audience(Enum):
    """Who looks; all of one audience get the same bytes."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    VIEWER = "viewer"
    PROGRAM = "program"
    """Whoever it acts for: it gets JSON."""
    LIVEHANDLER = "livehandler"
    """openQA's own page: it gets what openQA's livehandler would tell."""
    SCREEN = "screen"
    """Gets pictures and nothing else."""


_BY_ROLE = {
    Role.ADMINISTRATOR: Audience.ADMINISTRATOR,
    Role.OPERATOR: Audience.OPERATOR,
    Role.VIEWER: Audience.VIEWER,
}


def audience_of(visitor: Visitor, session: SessionFacts | None) -> Audience:
    """Tell which audience of a job with this session somebody belongs to."""
    is_owner = session is not None and session.user_id == visitor.id and session.open
    if is_owner and visitor.role >= Role.OPERATOR:
        return Audience.OWNER
    return _BY_ROLE[visitor.role]
