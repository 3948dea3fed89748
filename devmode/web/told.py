"""Live views as openQA's page is told them: the same for all who watch a job."""

import msgspec

from devmode.commandserver.link import API_MAJOR, LinkState
from devmode.jobs.job import JobState
from devmode.live.livehandler import Told, session_of, status_of
from devmode.live.renderings import Shown
from devmode.live.subscription import Regions
from devmode.live.view import LiveView

REGION = "livehandler"


def told_of(view: LiveView) -> Told:
    """Return what openQA's page is told of a job; the job token is left out of the address."""
    state, control, address = view.execution, view.control, view.job.address
    major, minor = state.api_version or (API_MAJOR, 0)
    return Told(
        status=status_of(state),
        session=(
            session_of(control.developer, control.started_at, control.tabs)
            if control
            else session_of()
        ),
        uploads=view.uploads or {},
        connected=view.link is LinkState.CONNECTED,
        address=f"ws://{address.host}:{address.port}/…/ws" if address else "an unknown address",
        vnc=view.job.vnc,
        check=state.tags,
        turn=state.turn,
        stopping=state.stopping,
        ended=view.job.state is JobState.ENDED,
        incompatible=None if major == API_MAJOR else f"{major}.{minor}",
    )


def told_regions(view: LiveView, last: Shown) -> tuple[Shown, Regions]:
    """Render a job for openQA's pages, unless it is as it was `last`."""
    told = told_of(view)
    if last.get(REGION) == told:
        return last, {}
    return {REGION: told}, {REGION: msgspec.json.encode(told).decode()}
