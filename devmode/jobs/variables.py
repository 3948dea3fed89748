"""`vars.json`, the variables of a job's test: its token tells whose a pool directory is."""

from typing import Any, Final

from devmode.commandserver.address import JobToken
from devmode.errors import TextNotFound
from devmode.jobs.files import json_contents

VARIABLES: Final = "vars.json"
LARGEST: Final = 1 << 20
ANOTHERS: Final = "The pool directory holds another job by now, or none."


def read_variables(pool: int) -> dict[str, Any] | None:
    """Return the variables in an opened pool directory, None while there are none."""
    variables = json_contents(pool, VARIABLES, LARGEST)
    return variables if isinstance(variables, dict) else None


def variables_of(pool: int, token: JobToken) -> dict[str, Any]:
    """Return the variables of the job of this token; raise `TextNotFound` if it is another's."""
    variables = read_variables(pool)
    if variables is None or variables.get("JOBTOKEN") != token.reveal():
        raise TextNotFound(ANOTHERS)
    return variables
