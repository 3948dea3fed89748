"""The one error of the demo."""


class DemoError(Exception):
    """Says in one sentence why no job could be started, and what to do about it."""
