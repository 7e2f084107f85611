"""An srun that goes on while a test looks at it, and is found among the steps by a name of its own."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from .site import Site, as_user
from .test_main_job import until

_numbers = itertools.count(1)
_open: list[Started] = []


class Started(subprocess.Popen):
    """`srun OPTIONS --container BUNDLE COMMAND`; `home` becomes HOME."""

    def __init__(
        self, site: Site, who: str, *command: str, container: str = "", options: tuple[str, ...] = (), home: str = ""
    ) -> None:
        self.site, self.name = site, f"started{next(_numbers)}"
        argv = [*(as_user(who) if who else []), "srun", "-J", self.name, *options]
        argv += ["--container", container or str(site.bundle), *command]
        environment = site.environment | ({"HOME": home} if home else {})
        super().__init__(argv, env=environment, cwd="/tmp", text=True, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        _open.append(self)

    @property
    def job(self) -> str:
        """The job's id, once slurmctld has its step. Steps of others, that have just ended, may be there too."""

        def steps() -> list[str]:
            rows = self.site.ok("squeue", "-h", "-s", "-o", "%i %j").splitlines()
            return [row.split(".")[0].strip() for row in rows if row.split()[1:] == [self.name]]

        found = until(steps, bool)
        assert found, f"no step is called {self.name}"
        return found[0]


@contextmanager
def all_ended() -> Iterator[None]:
    """What was started within has ended afterwards, so that a test that fails does not take the next ones along."""
    try:
        yield
    finally:
        while _open:
            process = _open.pop()
            if process.poll() is None:
                process.site.run("scancel", "--signal=KILL", f"--name={process.name}")
                process.site.run("scancel", f"--name={process.name}")
                process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
