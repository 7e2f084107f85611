"""The same commands to a real Slurm and to ours, on clusters of one node each: what they say and how they end.

``SLURMPY_PEER`` says how a command of the real one is started, for instance ``chroot DIR env SLURM_CONF=...``.
"""

import os
import re
import shlex
import subprocess

import pytest

from tests.e2e.cluster import Pocket

PEER = os.environ.get("SLURMPY_PEER", "")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER, reason="SLURMPY_PEER does not say how a real Slurm's commands are started"),
    pytest.mark.xdist_group("peer"),
]

COMMANDS = """
scontrol show hostnames n[1-3,5],m[08-10],x
scontrol show hostlist n1,n2,n3,m08,m09,m10,n5
scontrol show hostlistsorted n3,n1,n2,a1,n3
scontrol show hostnames n[1-
scontrol show job 999999
scontrol show node nosuch
scontrol show partition nosuch
scontrol show step 999999.0
scontrol show nosuch
scontrol nosuch
scontrol update jobid=999999 comment=x
scontrol update nodename=nosuch state=drain reason=x
scontrol update jobid=x comment=y
scontrol hold 999999
scontrol release 999999
scontrol suspend 999999
scontrol requeue 999999
scontrol create partitionname=bad nosuch=1
scontrol delete reservationname=nosuch
scontrol errnumstr 2017
sbatch --nosuch
sbatch --wrap
sbatch /no/such/script
sbatch -p nosuch --wrap true
sbatch -t nonsense --wrap true
sbatch -N 100 --wrap true
sbatch -n 1000 --wrap true
sbatch --array=5-1 --wrap true
sbatch --array=x --wrap true
sbatch --dependency=afterok:x --wrap true
sbatch --mem=x --wrap true
sbatch --mem=999G --wrap true
sbatch -w nosuch --wrap true
sbatch -C nosuch --wrap true
sbatch --begin=never --wrap true
sbatch --gres=nosuch:1 --wrap true
sbatch --reservation=nosuch --wrap true
sbatch --nice=x --wrap true
sbatch -c 0 --wrap true
sbatch --signal=NOSUCH --wrap true
squeue --nosuch
squeue -t nosuch
squeue -j x
squeue -S nosuch
squeue -h -o %y -n nosuch
squeue -h -j 999999
squeue --json=v9.9.9
sinfo --nosuch
sinfo -t nosuch
sinfo -h -n nosuch -p debug
sinfo -p debug -o %P
scancel 999999
scancel x
scancel --signal=NOSUCH 999999
scancel
scancel --state=nosuch
sacct --nosuch
sacct --format=nosuch
sacct -j 999999 -n
sacct -S nonsense
sacctmgr nosuch
sacctmgr show nosuch
sacctmgr -i add account
sacctmgr -i add user x account=nosuch
srun --nosuch
srun -p nosuch true
srun -n x true
srun
salloc -p nosuch true
""".strip().splitlines()


def masked(text: str) -> str:
    text = re.sub(r"/\S*/(sbatch|squeue|srun|salloc|scancel|sinfo|sacct\w*|scontrol)\b", r"\1", text)
    text = re.sub(r"(?<=Submitted batch job )\d+", "N", text)
    text = re.sub(r"\bvm\b|\bn1\b(?=\b)", "NODE", text)
    return re.sub(r"data_parser/\S+", "data_parser", text)


def said(prefix: list[str], command: str, **options) -> tuple[int, str, str]:
    done = subprocess.run([*prefix, *shlex.split(command)], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **options)  # fmt: skip
    return done.returncode, masked(done.stdout), masked(done.stderr)


@pytest.fixture(scope="module")
def pocket(tmp_path_factory):
    pocket = Pocket(tmp_path_factory.mktemp("peer"))
    pocket.start("--cpus=32", "--memory=16000M", "--features=a,b", "--name=ref")
    yield pocket
    pocket.down()


@pytest.mark.parametrize("command", COMMANDS)
def test_both_say_the_same(pocket, command):
    ours = said([], command, env=pocket.environment, cwd=pocket.home)
    assert ours == said(shlex.split(PEER), command, cwd="/")
