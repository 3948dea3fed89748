"""Who looks at a job: all of one audience are told the same, in the same bytes."""

from enum import Enum

from devmode.live.timeline import Declined
from devmode.sessions.store import SessionFacts
from devmode.sessions.users import Role, Visitor


class Audience(Enum):
    """Who looks; all of one audience get the same bytes."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    VIEWER = "viewer"
    AWAITING_ADMINISTRATOR = "administrator who awaits control"
    AWAITING_OPERATOR = "operator who awaits control"
    DECLINED_ADMINISTRATOR = "administrator whose request was declined"
    DECLINED_OPERATOR = "operator whose request was declined"
    PROGRAM = "program"
    """Whoever it acts for: it gets JSON."""
    LIVEHANDLER = "livehandler"
    """openQA's own page: it gets what openQA's livehandler would tell."""
    SCREEN = "screen"
    """Gets pictures and nothing else."""

    @property
    def is_administrator(self) -> bool:
        """Whether an administrator looks who does not control the job."""
        return self in (
            Audience.ADMINISTRATOR,
            Audience.AWAITING_ADMINISTRATOR,
            Audience.DECLINED_ADMINISTRATOR,
        )

    @property
    def awaits_control(self) -> bool:
        """Whether who looks asks the owner for control."""
        return self in (Audience.AWAITING_ADMINISTRATOR, Audience.AWAITING_OPERATOR)

    @property
    def was_declined(self) -> bool:
        """Whether the owner has declined the request of who looks."""
        return self in (Audience.DECLINED_ADMINISTRATOR, Audience.DECLINED_OPERATOR)


_BY_ROLE = {
    Role.ADMINISTRATOR: Audience.ADMINISTRATOR,
    Role.OPERATOR: Audience.OPERATOR,
    Role.VIEWER: Audience.VIEWER,
}
_AWAITING = _BY_ROLE | {
    Role.ADMINISTRATOR: Audience.AWAITING_ADMINISTRATOR,
    Role.OPERATOR: Audience.AWAITING_OPERATOR,
}
_DECLINED = _BY_ROLE | {
    Role.ADMINISTRATOR: Audience.DECLINED_ADMINISTRATOR,
    Role.OPERATOR: Audience.DECLINED_OPERATOR,
}


def audience_of(
    visitor: Visitor, session: SessionFacts | None, declined: Declined | None = None
) -> Audience:
    """Tell which audience of a job with this session somebody belongs to."""
    is_owner = session is not None and session.user_id == visitor.id and session.open
    if is_owner and visitor.role >= Role.OPERATOR:
        return Audience.OWNER
    if session is not None and session.requested_by == visitor.name:
        return _AWAITING[visitor.role]
    if declined is not None and declined.who == visitor.name:
        return _DECLINED[visitor.role]
    return _BY_ROLE[visitor.role]
