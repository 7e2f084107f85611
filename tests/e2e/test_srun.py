"""srun: output, input, exit codes, signals."""

import hashlib
import os
import pty
import re
import signal
import subprocess

import pytest

from tests.terminals import read_to_end

from .test_main_job import until


def test_output_and_exit_code_come_back(pocket):
    done = pocket.run("srun", "-n2", "sh", "-c", "echo out; echo err >&2; exit $((3 + SLURM_PROCID))")
    assert done.returncode == 4
    assert done.stdout == "out\nout\n"
    assert done.stderr.count("err\n") == 2
    assert re.search(r"srun: error: n1: task 1: Exited with exit code 4", done.stderr)


def test_labels_and_ranks_over_two_nodes(pocket):
    out = pocket.ok("srun", "-N2", "-n6", "-l", "sh", "-c", "echo $SLURM_NODEID $SLURM_LOCALID $SLURM_NTASKS")
    lines = sorted(out.splitlines())
    assert [line.split(":")[0] for line in lines] == [str(i) for i in range(6)]
    assert {line.split()[1] for line in lines} == {"0", "1"}
    assert all(line.endswith(" 6") for line in lines)


def test_megabytes_from_many_tasks_arrive_whole_and_unmixed(pocket):
    code = "import os,sys; r=os.environ['SLURM_PROCID']; [print(r, i, 'x'*(i % 300)) for i in range(4000)]"
    out = pocket.ok("srun", "-n12", "--overcommit", "python3", "-c", code, timeout=120)
    seen = {str(r): 0 for r in range(12)}
    for line in out.splitlines():
        rank, number, *rest = line.split(" ")
        assert int(number) == seen[rank]
        assert rest == ["x" * (int(number) % 300)]
        seen[rank] += 1
    assert set(seen.values()) == {4000}


def test_standard_input_reaches_every_task(pocket):
    data = os.urandom(300000).hex()
    out = pocket.ok("srun", "-n3", "-l", "md5sum", stdin=data)
    digest = hashlib.md5(data.encode()).hexdigest()
    assert sorted(out.splitlines()) == [f"{i}: {digest}  -" for i in range(3)]


def test_input_for_one_task_only(pocket):
    assert pocket.ok("srun", "-n3", "-l", "-i", "1", "cat", stdin="hello\n") == "1: hello\n"


def test_output_files_by_pattern(pocket):
    pocket.ok("srun", "-n3", "-o", "rank-%t-%n.txt", "sh", "-c", "echo $SLURM_PROCID")
    assert [(pocket.home / f"rank-{i}-0.txt").read_text() for i in range(3)] == ["0\n", "1\n", "2\n"]


def test_a_program_for_each_task(pocket):
    (pocket.home / "multi.conf").write_text("0 echo zero %t\n1-2 echo rest %o\n")
    out = pocket.ok("srun", "-n3", "-l", "--multi-prog", "multi.conf")
    assert sorted(out.splitlines()) == ["0: zero 0", "1: rest 0", "2: rest 1"]


def test_a_signal_is_told_and_makes_the_exit_code(pocket):
    done = pocket.run("srun", "sh", "-c", "kill -TERM $$")
    assert done.returncode == 143
    assert "task 0: Terminated" in done.stderr


def test_the_books_know_the_signal_and_the_worst_step(pocket):
    name = f"signal-{os.getpid()}"
    pocket.run("srun", "-J", name, "sh", "-c", "kill -TERM $$")
    pocket.run("srun", "-J", name, "sh", "-c", "exit 7")
    asked = ("sacct", "-X", "-n", "-P", "--name", name, "-o", "exitcode,derivedexitcode")
    wanted = ["0:15|0:15", "7:0|7:0"]
    assert until(lambda: pocket.ok(*asked).split(), lambda rows: rows == wanted) == wanted


def test_a_missing_program(pocket):
    done = pocket.run("srun", "/no/such/program")
    assert done.returncode == 2
    assert "execve(): /no/such/program: No such file or directory" in done.stderr


def test_an_interrupt_twice_ends_the_step(pocket):
    process = pocket.popen("srun", "sh", "-c", "echo ready; sleep 1000", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    while "one more within 1 sec to abort" not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    process.stdout.close()
    process.stderr.close()


def test_a_terminal(pocket):
    leader, follower = pty.openpty()
    process = pocket.popen(
        "srun", "--pty", "sh", "-c", "tty; stty size; exit 5", stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    said = read_to_end(leader)
    os.close(leader)
    assert process.wait(30) == 5
    assert b"/dev/pts/" in said


def test_a_step_in_an_allocation_and_its_environment(pocket):
    out = pocket.ok(
        "salloc", "-n3", "-Q", "sh", "-c", "echo $SLURM_JOB_ID; srun -l printenv SLURM_JOB_ID SLURM_STEP_ID"
    )
    job, *rest = out.splitlines()
    assert sorted(rest) == sorted(f"{task}: {value}" for task in range(3) for value in (job, "0"))


@pytest.mark.parametrize("command", ["salloc", "srun"])
def test_an_allocation_goes_with_its_owner_even_by_kill_9(pocket, command):
    name = f"bound-{os.getpid()}-{command}"
    process = pocket.popen(command, "-J", name, "-n1", "cat", stderr=subprocess.DEVNULL, stdin=subprocess.PIPE)
    assert until(lambda: pocket.ok("squeue", "-h", "-n", name, "-o", "%t"), lambda out: out == "R\n") == "R\n"
    process.kill()
    process.wait()
    process.stdin.close()  # so that cat, which salloc leaves behind here, ends
    assert until(lambda: pocket.ok("squeue", "-h", "-n", name, "-o", "%t"), lambda out: out == "") == ""


def test_salloc_gives_back_what_the_command_returns_and_the_allocation(pocket):
    done = pocket.run("salloc", "-n1", "sh", "-c", "exit 4")
    assert done.returncode == 4
    job = re.search(r"Granted job allocation (\d+)", done.stderr)[1]
    assert f"Relinquishing job allocation {job}" in done.stderr
    pocket.wait(job)
    assert "RUNNING" not in pocket.state(job)
