"""What was rendered whole lately: many come in one moment, after a restart, to see the same."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from devmode.live.subscription import Regions

Shown = dict[str, object]
"""All that the html of each region depends on: where that is equal, nothing is rendered again."""

MOST = 16
"""How many are kept; a large page takes about 30 kB."""


class Renderings:
    """The newest of everything that an audience sees of a subject."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: OrderedDict[Hashable, tuple[Shown, Regions]] = OrderedDict()

    def whole(
        self, key: Hashable, render: Callable[[Shown], tuple[Shown, Regions]]
    ) -> tuple[Shown, Regions]:
        """Return all regions, each whole; `render` renders only what differs from what is kept."""
        last, regions = self._kept.pop(key, ({}, {}))
        shown, changed = render(last)
        in_parts = {name.partition("/")[0] for name in changed if "/" in name}
        if in_parts:
            shown, changed = render({name: last[name] for name in last.keys() - in_parts})
        regions = {name: html for name, html in (regions | changed).items() if name in shown}
        self._kept[key] = shown, regions
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return shown, regions
