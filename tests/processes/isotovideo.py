"""A real isotovideo job among those of a world."""

import re

from tests.processes.world import World
from tests.real.job import RealJob
from tests.waiting import until

TOLD = re.compile(r"isotovideo: (pausing test execution of \S+|test execution will [^\x1b\n]+)")


class Isotovideo:
    """Paused at its first module, until somebody lets it go on."""

    def __init__(self, world: World, name: str, *modules: str) -> None:
        self.name = name
        self.number: int | None = None
        first = modules[0].replace("/", "-")
        schedule = ",".join(modules)
        pool = world.folder / "pools" / name
        pool.mkdir()
        self.real = RealJob(pool, NAME=name, SCHEDULE=schedule, PAUSE_AT=first)
        self.real.start()
        try:
            self.real.wait_until_listening()
            until(lambda: world.number_of(self), "the job to be found")
            self.real.wait_for_pause()
        except BaseException:
            self.real.stop()
            raise

    @property
    def witness(self) -> list[str]:
        """What it was told, and where it paused, by its own log."""
        return TOLD.findall(self.real.log)
