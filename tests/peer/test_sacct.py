"""sacct's options beside the real one, over the same books: what each prints, byte by byte, and its exit code.

``SLURMPY_PEER`` says how a command of the real one is started, for instance ``chroot DIR env SLURM_CONF=...``. Its
cluster is called ref, has one node and a partition debug, and no other jobs run. What no text of sacct holds cannot be
taken over, and is left out: numbers of the database, jobs that never were eligible, the nodes that a job waited for.
"""

import os
import shlex
import subprocess
import time

import pytest

from slurmpy.cli import import_slurmdbd, sacct
from tests.accounting.dbd import running

PEER = os.environ.get("SLURMPY_PEER", "")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER, reason="SLURMPY_PEER does not say how a real Slurm's commands are started"),
    pytest.mark.xdist_group("peer"),
]
JOBS = (
    ("-J", "plain", "--wrap", "srun true; exit 3"),
    ("-J", "ok", "--mem=50", "--wrap", "srun sleep 1; srun -n1 true"),
    ("-J", "arr", "--array", "1-4%2", "--wrap", "exit $SLURM_ARRAY_TASK_ID"),
    ("-J", "limited", "-t", "1", "--qos", "high", "--wrap", "true"),
    ("-J", "again", "--requeue", "--wrap", "sleep 2"),
    ("-J", "long", "--comment", "a b", "--wrap", "srun sleep 300"),
)
#: which jobs
WHICH = (
    """
-a|-A root|-A nosuch|-C ref|-C nosuch|-D|-E now|-E now-9days|-F SchedSubmit|-F StartRecv|-F nosuch|-g root|-g 0
-g nosuch|-g 12345|-i 0|-i 0-3|-i 1-0|-i 2|-i x|-I 1|-I 0|-I 1-0|-k 1|-k 0-10|-k 1-2 -K 5|-k 2 -K 1|-k x|-K 2
-k UNLIMITED -n|-M ref|-M nosuch|-N nosuch|-q normal|-q high|-q nosuch|-q normal,high|-r debug|-r nosuch|-r debug,nosuch
--reason=3|--reason=Resources|--reason=nosuch|-s f|-s failed -E now|-s nosuch|-s CA|-s CD|-s PD|-s R|-s TO -E now
-s F -S now-1hour -E now|-s CD,F -S now-1hour -E now|-s PD -S now-1hour -E now|-s R -S now-1hour -E now
-s PD,R -S now-1hour -E now|-s S -S now-1hour -E now|-s RS -E now|-s RV -E now|-S nonsense|-S 00:00|-S midnight|-S today
-S now-1hour|-S now-1hour -E now|-S now-1hour -T|-u root|-u nosuch|-u 0|-u 12345|-u root,nosuch|-u 0x|-u root -a|-W x
-x 2|-x 1,2|-x 0|-j 99999|-j x|-j 1,,2|-X|-X -D|-t|-t -n -o jobid|--array|--name=plain|--name=plain,ok|--name=nosuch
--whole-hetjob=x -j 5|--whole-hetjob=YES -j 99999|--flags=SchedMain|--wckeys=x|--constraints=x|--federation|--local
""".strip()
    .replace("\n", "|")
    .split("|")
)
#: what is printed of them
PRINTED = (
    """
-b|-n|-p|-P|-p -P|-P -n|--delimiter=; -P|--delimiter=ab -p|--delimiter= -P|--brief --noheader|-nP -o jobid|-Xn
-o jobid|-o nosuch|-o jobid,|-o jobid%-5,state%20|-o JobID,jobname%3|-o jobid%0|-o jobid%x
-o jobid,elapsed,elapsedraw,start,end,submit,eligible|-o jobid,flags%60|-o jobid,reason,state%30
-o jobid,exitcode,derivedexitcode|-o jobid,timelimit,timelimitraw|-o jobid,nodelist,nnodes,ncpus,ntasks
-o jobid,allocnodes,alloctres%50|-o jobid,suspended,planned,plannedcpu,plannedcpuraw|-o jobid,restarts -D
-o jobid,workdir,submitline%60|-o jobid,comment,admincomment,systemcomment|-o jobid,qos,qosreq|-o jobidraw,jobid
-o jobid,uid,user,gid,group|-o jobid,stdout%30|--expand-patterns -o jobid,stdout%30|--units=K -o jobid,reqmem
--units=M -o jobid,reqmem,reqtres%40|--units=X -o jobid,reqmem|--noconvert -o jobid,reqmem,maxrss,maxvmsize
--use-local-uid|--helpformat|--helpstate|-B|--env-vars|--completion|--nosuch|-Z|-R x|x|--truncate|--format=jobid%12
""".strip()
    .replace("\n", "|")
    .split("|")
)


def real(*words: str) -> tuple[int, str, str]:
    argv = [*shlex.split(PEER), "env", "TZ=UTC", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd="/", stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def until(what: str, seconds: float, *words: str) -> None:
    deadline = time.monotonic() + seconds
    while what not in real(*words)[1]:
        assert time.monotonic() < deadline, f"{words}: {real(*words)}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    real("sacctmgr", "-i", "add", "qos", "high")
    ids = [real("sbatch", "--parsable", "-D", "/tmp", "-o", "/dev/null", *job)[1].strip() for job in JOBS]
    until("RUNNING", 120, "squeue", "-h", "-o", "%T", "-j", ids[-1])
    for _ in range(2):
        real("scancel", ids[-1])
    ended = real("sacct", "-n", "-X", "-o", "end")[1]
    deadline = time.monotonic() + 120
    while "Unknown" in ended or real("squeue", "-h")[1].strip():
        assert time.monotonic() < deadline, ended
        time.sleep(0.5)
        ended = real("sacct", "-n", "-X", "-o", "end")[1]
    place = tmp_path_factory.mktemp("books")
    text, dump = place / "sacct.txt", place / "ref.cfg"
    text.write_text(real("sacct", "-a", "-D", "-P", "-S", "2020-01-01", "--format=ALL")[1])
    dump.write_text(
        real("sh", "-c", "f=$(mktemp -u) && sacctmgr dump ref file=$f >/dev/null 2>&1; cat $f; rm -f $f")[1]
    )
    (place / "dbd").mkdir()
    with running(place / "dbd") as daemon:
        import_slurmdbd.run([str(dump), str(text)], daemon.cluster, write=lambda said: None)
        daemon.ids = ids
        yield daemon


@pytest.mark.parametrize("line", [*WHICH, *PRINTED, *(f"-j {{{n}}}" for n in range(len(JOBS)))])
def test_the_same_is_printed(books, monkeypatch, line):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    words = shlex.split(line.format(*books.ids).replace(";", "';'"))
    assert books.run(sacct, words) == real("sacct", *words)


@pytest.mark.parametrize(
    "form", ["{2}_1", "{2}_[1-2]", "{2}_9", "{2}_1.batch", "{0}.0", "{0}.batch", "{0}.9", "{0},{1}.0"]
)
def test_the_same_of_parts(books, monkeypatch, form):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    words = ["-j", form.format(*books.ids)]
    assert books.run(sacct, words) == real("sacct", *words)
