"""A cluster whose oci.conf names the real runc, a root file system of busybox, and a look for what containers leave."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.terminals import read_piece

from .site import Site, as_user
from .test_main_job import until

BUSYBOX = next((path for path in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(path)), "")
PROGRAMS = ("sh", "true", "false", "cat", "echo", "id", "sleep", "ls", "env", "ps", "mount", "hostname", "tty", "kill",
            "pwd", "touch", "dd", "setsid", "head", "wc", "stty", "awk", "md5sum")  # fmt: skip

OCI_CONF = """\
EnvExclude="^(SLURM_CONF|SLURM_CONF_SERVER)="
RunTimeEnvExclude="^(SLURM_CONF|SLURM_CONF_SERVER)="
RunTimeQuery="runc --root={state}-%U state %n.%u.%j.%s.%t"
RunTimeKill="runc --root={state}-%U kill -a %n.%u.%j.%s.%t"
RunTimeDelete="runc --root={state}-%U delete --force %n.%u.%j.%s.%t"
"""
MODES = {
    "run": 'RunTimeRun="runc --root={state}-%U run %n.%u.%j.%s.%t -b %b"\n',
    "create": (
        'RunTimeCreate="runc --root={state}-%U create --bundle %b %n.%u.%j.%s.%t"\n'
        'RunTimeStart="runc --root={state}-%U start %n.%u.%j.%s.%t"\n'
    ),
}


def why_not() -> str:
    """Why no container can be run here; empty if it can be tried."""
    if not shutil.which("runc"):
        return "runc is not installed"
    if not BUSYBOX:
        return "busybox-static is not installed"
    if b"statically" not in subprocess.run(["file", "-L", BUSYBOX], capture_output=True).stdout and _has_libraries():
        return f"{BUSYBOX} is not static"
    return ""


def _has_libraries() -> bool:
    return "=>" in subprocess.run(["ldd", BUSYBOX], capture_output=True, text=True).stdout


def root_file_system(place: Path) -> Path:
    """A small one, of busybox."""
    for name in ("bin", "proc", "tmp", "etc", "dev", "sys"):
        (place / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, place / "bin" / "busybox")
    for name in PROGRAMS:
        (place / "bin" / name).symlink_to("busybox")
    (place / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    return place


def bundle(place: Path, *options: str, **changes: object) -> Path:
    """A bundle as `runc spec` makes it, with a root file system of its own; `changes` go to the top of config.json."""
    root_file_system(place / "rootfs")
    subprocess.run(["runc", "spec", *options], cwd=place, check=True, capture_output=True)
    config = json.loads((place / "config.json").read_text())
    config["process"]["terminal"] = False
    config.update(changes)
    (place / "config.json").write_text(json.dumps(config))
    return place


def fingerprint(place: Path) -> str:
    """Of all names, modes, links and contents of a tree."""
    seen = hashlib.sha256()
    for directory, names, files in sorted(os.walk(place)):
        for name in sorted((*names, *files)):
            path = Path(directory) / name
            seen.update(f"{path.relative_to(place)} {path.lstat().st_mode}\n".encode())
            if path.is_symlink():
                seen.update(os.readlink(path).encode())
            elif path.is_file():
                seen.update(path.read_bytes())
    return seen.hexdigest()


class ContainerSite(Site):
    """`state`: how the runtime's directories of state begin; `bundle`: one that everybody may read."""

    def __init__(self, base: Path, mode: str, more: str = "") -> None:
        cgroups = (
            "JobAcctGatherType=jobacct_gather/linux\nProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup\n"
            "LaunchParameters=use_interactive_step\n"
        )
        super().__init__(base, f"{cgroups}{more}")
        (base / "cgroup.conf").write_text("ConstrainRAMSpace=yes\n")
        self.mode, self.state = mode, f"{base}/state/runc"
        (base / "state").chmod(0o1777)
        (base / "oci.conf").write_text((OCI_CONF + MODES[mode]).format(state=self.state))
        self.bundle = bundle(base / "bundle")

    def node_state(self) -> str:
        return self.ok("sinfo", "-h", "-N", "-n", "n1", "-p", "debug", "-o", "%T").strip()

    def leftovers(self) -> list[str]:
        """What containers have left: state of the runtime, spool files, notes, mounts, control groups, processes."""
        found = [str(path) for path in self.base.glob("state/runc-*/*")]
        for spool in self.base.glob("spool-*"):
            found += [str(path) for path in (*spool.glob("oci-*"), *spool.glob("containers/*"))]
        found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.base) in line]
        cluster = f"site{self.port}"
        for hierarchy in Path("/sys/fs/cgroup").glob("*"):
            found += [str(path) for path in hierarchy.glob(f"slurmpy_{cluster}_*/job_*")]
        return found

    def is_clean(self) -> list[str]:
        """`leftovers`, once the last step has had a moment to end."""
        return until(self.leftovers, lambda left: not left, 10)


def on_terminal(
    site: Site, who: str, *command: str, typed: bytes = b"", after: bytes = b"", rows: int = 24, columns: int = 80
) -> str:
    """What a command writes on a pseudo terminal of its own; `typed` is typed once it has written `after`."""
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    argv = [*(as_user(who) if who else []), "setsid", "--ctty", "--wait", *command]
    environment = site.environment | {"SHELL": "/bin/sh", "TERM": "xterm"}
    for name in ("LINES", "COLUMNS"):  # busybox believes them more than the terminal
        environment.pop(name, None)
    process = subprocess.Popen(argv, env=environment, cwd="/tmp", stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    said = b""
    while piece := read_piece(leader):
        said += piece
        if typed and after in said:
            os.write(leader, typed)
            typed = b""
    os.close(leader)
    process.wait(30)
    return said.decode(errors="replace")


@contextmanager
def container_site(mode: str) -> Iterator[ContainerSite]:
    """Below /tmp itself, so that ordinary users can pass."""
    base = Path(tempfile.mkdtemp(prefix="containers-"))
    try:
        site = ContainerSite(base, mode)
        site.up()
        try:
            until(site.node_state, lambda state: state == "idle")
            yield site
            left = site.is_clean()
        finally:
            site.down()
        assert not left, f"containers left: {left}"
    finally:
        shutil.rmtree(base, ignore_errors=True)
