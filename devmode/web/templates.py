"""Templates as they were when the process began.

Read when they are first needed, they may be those of the next version, which is there before the
process is replaced; or not to be read at all, for want of a file descriptor.
"""

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, TemplateNotFound

Source = tuple[str, str, Callable[[], bool]]


class Templates(FileSystemLoader):
    """The templates of a folder, which are all read at once."""

    def __init__(self, folder: Path) -> None:
        """Read them."""
        super().__init__(folder)
        read = super().get_source
        nothing = Environment(autoescape=True)
        self._sources = {name: read(nothing, name) for name in self.list_templates()}

    def get_source(self, environment: Environment, template: str) -> Source:
        """Return what was read."""
        try:
            return self._sources[template]
        except KeyError:
            raise TemplateNotFound(template) from None
