"""The picture of a job's screen, for pages without a stream, thumbnails and programs."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from devmode.errors import TextNotFound
from devmode.jobs.screenshots import Picture
from devmode.web import devmode
from devmode.web.operations import PNG

blueprint = Blueprint("screen", __name__)


@blueprint.get("/jobs/<int:job_id>/screen.png")
def picture(job_id: int) -> Response:
    """Send the latest picture; named by its version it may be kept for ever."""
    found = latest_picture(job_id)
    response = Response(found.data, mimetype=PNG)
    response.set_etag(found.place.version)
    asked = request.args.get("v")
    lifetime = "max-age=31536000, immutable" if asked == found.place.version else "no-cache"
    response.headers["Cache-Control"] = f"private, {lifetime}"
    return response.make_conditional(request)


def latest_picture(job_id: int) -> Picture:
    """Return the latest picture; raise `JobNotFound`, `TextNotFound`."""
    found = devmode().feed.picture_of(job_id)
    if found is None:
        raise TextNotFound("There is no picture of this job's screen.")
    return found
