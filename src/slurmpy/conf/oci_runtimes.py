"""An oci.conf for the runtimes that are known, as text. Pure.

All of them take runc's words (`runc --help`, `crun --help`), and so does whatever is said to stand in for runc: youki,
for one. The runtime's own directory is beside the task's bundle in the spool directory: slurmstepd makes it for the
job's user, no other user can get at it, a container does not see it, and it goes with the step. /run/user/UID, which
runtimes use by themselves, is there for sessions only, and a common directory in /run would have to be made by root,
once for each user: whoever owns the directory decides what a runtime does there.
"""

from __future__ import annotations

import re

from slurmpy.core.errors import SlurmError

#: What is looked for, the best first.
NAMES = ("runc", "crun")
#: Where runtimes are though they are not in every user's PATH.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PLAIN = re.compile(r"/[\w./+@:,-]*\Z", re.ASCII)
_STATE, _ID = "%b/../runtime", "%n.%u.%j.%s.%t"


def text(program: str, create_start: bool = False) -> str:
    """oci.conf for the runtime `program`, an absolute path; `create_start`: by RunTimeCreate and RunTimeStart rather
    than by RunTimeRun. Raises SlurmError if the path has what oci.conf or a shell takes for something else."""
    if not _PLAIN.match(program):
        raise SlurmError(
            "SLURM_ERROR", f"the path of a runtime is absolute and has letters, digits and _./+@:,- only: {program}"
        )
    runtime = f"{program} --root={_STATE}"
    lines = [
        'EnvExclude="^(SLURM_CONF|SLURM_CONF_SERVER)="',
        'RunTimeEnvExclude="^(SLURM_CONF|SLURM_CONF_SERVER)="',
        f'RunTimeQuery="{runtime} state {_ID}"',
        f'RunTimeKill="{runtime} kill -a {_ID}"',
        f'RunTimeDelete="{runtime} delete --force {_ID}"',
    ]
    if create_start:
        lines += [
            f'RunTimeCreate="{runtime} create --bundle=%b {_ID}"',
            f'RunTimeStart="{runtime} start {_ID}"',
        ]
    else:
        lines.append(f'RunTimeRun="{runtime} run --bundle=%b {_ID}"')
    return "".join(f"{line}\n" for line in lines)


def find(word: str) -> str | None:
    """The absolute path of a runtime that is named by a path, or looked for in PATH and where the system has them."""
    import os
    import shutil

    if "/" in word:
        path = os.path.abspath(word)
        return path if os.path.isfile(path) and os.access(path, os.X_OK) else None
    found = shutil.which(word) or shutil.which(word, path=SYSTEM_PATH)
    return None if found is None else os.path.abspath(found)
