"""What one step leaves with its slurmstepd, which may take another user's step next: nothing."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest

from slurmpy.node import fitness, keyring
from slurmpy.node.processes import children

from .conftest import Cluster, Node, batch, processes_with, wait_for
from .test_site import program, python_for_others, site

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="rights of another user need root")
FALLBACK = "/tmp"

#: All that a process has of its parent's, but for what differs from one job to the next.
WHAT_IT_HAS = """
echo stepd $PPID
grep -E '^(Umask|Uid|Gid|Groups|SigBlk|SigIgn|SigCgt|Cap|NoNewPrivs|Seccomp|Cpus_allowed_list)' /proc/self/status
cat /proc/self/limits /proc/self/cgroup /proc/self/oom_score_adj
readlink /proc/self/cwd /proc/self/root /proc/self/ns/*
cut -d' ' -f18,19,41 /proc/self/stat
ls -l /proc/self/fd | grep -o -E '[0-9]+ -> .*' | sed -e 's/\\(job\\|out\\|:.\\|proc.\\)[0-9]*/\\1/'
env | grep -v -E '^(SLURM_(TASK_PID|JOBID|JOB_ID|JOB_START_TIME|JOB_END_TIME)|OTHER)=' | sort
"""


def slurmstepd_is_idle(node: Node, pid: int) -> bool:
    """It has said that it is done, and waits; or it has gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return not list((node.spool / "ends").iterdir()) and not node.live() and state == "S"


def ran(cluster: Cluster, number: int, script: str, user: str, **more: object) -> tuple[int, str]:
    """(process id of its slurmstepd, what it wrote) of a batch job that has ended."""
    node, uid = cluster.node(), pwd.getpwnam(user).pw_uid
    place = cluster.directory / user
    if not place.exists():
        place.mkdir()
        os.chown(place, uid, -1)
    out = place / f"out{number}"
    node.call("launch_batch_job", **batch(number, script, uid, standard_output=str(out), cwd=FALLBACK, **more))
    cluster.controller.heard("complete_batch_job", job_id=number)
    first, _, rest = out.read_text().partition("\n")
    pid = int(first.rpartition(" ")[2])
    assert wait_for(lambda: slurmstepd_is_idle(node, pid))
    return pid, rest


@as_root
def test_another_users_step_finds_nothing(cluster: Cluster) -> None:
    """A's step has a large environment, odd limits, a mask, a priority, files open; B's is as if it were the first."""
    before, expected = ran(cluster, 1, WHAT_IT_HAS, "nobody")
    wild = (
        f"{WHAT_IT_HAS}\numask 077; ulimit -n 50; ulimit -c 0; renice -n 7 $$; cd /; exec 7</etc/passwd; trap '' USR1"
    )
    secret = ("PATH=/usr/bin:/bin", "HOME=/", "OTHER=secret")
    of_a, _ = ran(cluster, 2, wild, "daemon", environment=secret, umask=0o077, rlimits={"RLIMIT_NOFILE": 64})
    of_root, _ = ran(cluster, 3, wild, "root", environment=secret, umask=0o027, rlimits={"RLIMIT_STACK": 1 << 20})
    after, found = ran(cluster, 4, WHAT_IT_HAS, "nobody")
    assert before == of_a == of_root == after, "or this test tells nothing"
    assert "\nUmask:\t0022\n" in f"\n{found}"
    assert found == expected


#: add_key(2) (248 where keyctl is 250, 217 where it is 219) and keyctl's search, through the session keyring
KEYS = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
add, control = (248, 250) if os.uname().machine == "x86_64" else (217, 219)
what, name = sys.argv[1].encode(), sys.argv[2].encode()
if what == b"add":
    found = call(ctypes.c_long(add), b"user", name, b"secret", ctypes.c_size_t(6), ctypes.c_long(int(sys.argv[3])))
else:
    found = call(ctypes.c_long(control), ctypes.c_long(10), ctypes.c_long(-3), b"user", name, ctypes.c_long(0))
print(f"errno {ctypes.get_errno()}" if found < 0 else "found")
"""


@as_root
def test_a_users_session_keyring_is_his_own(cluster: Cluster) -> None:
    """slurmd has one, as it has under systemd; keys that a step puts into it are no other step's."""
    python = python_for_others()
    if python is None or os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("no Python that every user may run, or unknown numbers of system calls")
    keyring.leave()  # slurmd is our child
    (cluster.directory / "keys.py").write_text(KEYS)
    keys = f"echo $PPID; {python} {cluster.directory}/keys.py"
    _, said = ran(cluster, 1, f"{keys} add of-the-session -3", "nobody")
    if said != "found\n":
        pytest.skip(f"no keyrings here: {said}")
    assert ran(cluster, 2, f"{keys} find of-the-session", "daemon")[1] != "found\n"
    assert ran(cluster, 3, f"{keys} find of-the-session", "nobody")[1] != "found\n"
    assert ran(cluster, 4, f"{keys} add of-the-user -4", "nobody")[1] == "found\n"
    assert ran(cluster, 5, f"{keys} find of-the-user", "nobody")[1] == "found\n", "as in a login"
    assert ran(cluster, 6, f"{keys} find of-the-user", "daemon")[1] != "found\n"


@pytest.mark.parametrize("change", [
    "renice -n 3 $PPID", "prlimit --pid $PPID --nofile=100:100", "taskset -pc 0 $PPID", "chrt -b -p 0 $PPID",
])  # fmt: skip
def test_a_slurmstepd_that_was_changed_goes(cluster: Cluster, change: str) -> None:
    """Root's tasks, and those of slurmd's own user, can reach for it."""
    if change.startswith("taskset") and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one CPU only")
    user = pwd.getpwuid(os.geteuid()).pw_name
    changed, out = ran(cluster, 1, f"echo $PPID; {change} >/dev/null && echo changed", user)
    assert out == "changed\n"
    after, _ = ran(cluster, 2, "echo $PPID", user)
    assert after != changed
    assert " have changed" in cluster.node().log()


def test_what_an_epilog_leaves_ends_with_its_step(cluster: Cluster) -> None:
    """A program in the background, which would be a child of the next step's slurmstepd."""
    place, mark = cluster.directory, f"LEFT=by-{os.getpid()}"
    site(cluster, TaskEpilog=f"{place}/epilog")
    program(place / "epilog", f"{mark} setsid sleep 1000 >/dev/null 2>&1 & echo $! > {place}/left")
    user = pwd.getpwuid(os.geteuid()).pw_name
    ran(cluster, 1, "echo $PPID", user)
    assert (place / "left").exists()
    assert wait_for(lambda: not processes_with(mark))
    _, said = ran(cluster, 2, "echo $PPID; ps -o pid= --ppid $PPID | wc -l", user)
    assert int(said) == 1, "the script itself"


def test_a_script_directory_that_is_deeper_than_recursion(cluster: Cluster) -> None:
    """It is the user's, who may put into it what he likes: the job's end is told all the same, and nothing stays."""
    dig = "import os\nfor _ in range(3000):\n os.mkdir('d')\n os.chdir('d')\n"
    user = pwd.getpwuid(os.geteuid()).pw_name
    uid = pwd.getpwnam(user).pw_uid
    node = cluster.node()
    script = f'cd $(dirname $0) && {sys.executable} -c "{dig}" && exit 5'
    node.call("launch_batch_job", **batch(1, script, uid))
    assert cluster.controller.heard("complete_batch_job", job_id=1)["exit_code"] == 5 << 8
    assert wait_for(lambda: not list(node.spool.glob("job*")))


def test_fitness() -> None:
    fit = fitness.Fitness(-1)
    assert fit.lost() == ("children" if children(os.getpid()) else "")
    pid = os.fork()
    if pid == 0:
        os._exit(_judged())
    assert fit.lost() == "children"
    assert os.waitpid(pid, 0)[1] == 0


def _judged() -> int:
    """In a process of its own: 0 if each change is noticed, else the number of the one that is not."""
    fit = fitness.Fitness(-1)
    if fit.lost():
        return 1
    handle = os.open("/", os.O_RDONLY)
    if fit.lost() != "descriptors":
        return 2
    os.close(handle)
    before = os.umask(0o123)
    if fit.lost() != "umask":
        return 3
    os.umask(before)
    os.chdir("/proc")
    return 0 if fit.lost() == "working directory" else 4
