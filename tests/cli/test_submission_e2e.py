"""sbatch, salloc, srun and scancel against a pocket cluster with real processes."""

import os
import pty
import pwd
import re
import shutil
import signal

import pytest

pytestmark = pytest.mark.xdist_group("cli-pocket")


def job_id(err):
    return re.search(r"(?:job )?allocation (\d+)", err)[1]


def test_wait_gives_the_jobs_code(pocket):
    assert pocket.sh("sbatch -Q -W -o /dev/null --wrap 'exit 9'")[0] == 9
    assert pocket.sh("sbatch -Q -W -o /dev/null -a 1-3 --wrap 'exit $SLURM_ARRAY_TASK_ID'")[0] == 3


def test_script_arguments_directives_and_output(pocket):
    (pocket.directory / "job.sh").write_text(
        "#!/bin/sh\n#SBATCH -J 'two words' -o out.%x.%j\n#SBATCH --comment=x # remark\n"
        'echo "$1,$2,$SLURM_JOB_NAME,$SLURM_SUBMIT_DIR"\n'
    )
    code, out, err = pocket.sh("sbatch -W job.sh 'a b' c")
    assert (code, err) == (0, "")
    number = re.fullmatch(r"Submitted batch job (\d+)\n", out)[1]
    text = (pocket.directory / f"out.two words.{number}").read_text()
    assert text == f"a b,c,two words,{pocket.directory}\n"


def test_export_and_the_users_login(pocket):
    shell = "sbatch -Q -W -o env.out {} --wrap 'echo $HOME:$A:$B' && cat env.out"
    home = pwd.getpwuid(os.getuid()).pw_dir
    for options, wanted in (
        ("", f"{pocket.directory}:1:"),
        ("--export=NONE", f"{home}::"),
        ("--export=NIL", "::"),
        ("--export=A,B=3", f"{home}:1:3"),
        ("--export=ALL,B=2", f"{pocket.directory}:1:2"),
        ("--get-user-env", f"{pocket.directory}:1:"),
    ):
        assert pocket.sh(shell.format(options), A="1") == (0, wanted + "\n", ""), options


def test_refusals_leave_no_trace(pocket):
    before = pocket.sh("squeue -h")[1]
    for line, message in (
        ("sbatch -p nosuch --wrap true", "sbatch: error: invalid partition specified: nosuch\n"),
        ("sbatch -w nosuch --wrap true", "sbatch: error: Batch job submission failed: Invalid node name specified\n"),
        ("srun -p nosuch true", "srun: error: invalid partition specified: nosuch\n"),
        ("salloc -n1000 true", "salloc: error: Job submit/allocate failed: "),
    ):
        code, out, err = pocket.sh(line)
        assert (code, out) == (1, "")
        assert err.startswith(message)
    assert pocket.sh("SLURM_EXIT_ERROR=77 srun -p nosuch true")[0] == 77
    assert pocket.sh("squeue -h")[1] == before


def test_salloc_runs_a_command_and_gives_back(pocket):
    code, out, err = pocket.sh("salloc -n2 -J inter sh -c 'echo $SLURM_JOB_NAME $SLURM_NTASKS; exit 4'")
    assert (code, out) == (4, "inter 2\n")
    number = job_id(err)
    assert err == (
        f"salloc: Granted job allocation {number}\nsalloc: Nodes n1 are ready for job\n"
        f"salloc: Relinquishing job allocation {number}\n"
    )
    assert number not in pocket.sh("squeue -h -o %A -t R,PD")[1].split()
    code, _, err = pocket.sh("salloc -n1 /no/such/program")
    assert code == 1
    assert 'salloc: error: _fork_command: Unable to find command "/no/such/program"\n' in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_salloc_gives_back_when_it_is_ended(pocket, number):
    process = pocket.start("salloc", "-n1", "sh", "-c", 'trap "exit 5" HUP; echo up; sleep 3 & wait')
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert "Relinquishing job allocation" in err
    assert process.returncode == (5 if number == signal.SIGHUP else 0)
    assert job_id(err) not in pocket.sh("squeue -h -o %A -t R,PD")[1].split()


def test_salloc_gives_back_when_the_terminal_hangs_up(pocket):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(pocket.directory)
        os.execve(
            shutil.which("salloc", path=pocket.env["PATH"]), ["salloc", "-n1"], {**pocket.env, "SHELL": "/bin/sh"}
        )
    seen = b""
    while b"are ready for job" not in seen:
        seen += os.read(terminal, 4096)
    number = job_id(seen.decode())
    os.write(terminal, b"echo in $SLURM_JOB_ID\n")
    while f"in {number}\r\n".encode() not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)
    os.waitpid(pid, 0)
    assert number not in pocket.sh("squeue -h -o %A -t R,PD")[1].split()


def test_a_waiting_request_is_taken_back(pocket):
    process = pocket.start("srun", "-H", "true")
    lines = [process.stderr.readline() for _ in range(2)]
    number = re.search(r"job (\d+) queued", lines[1])[1]
    process.terminate()
    assert process.communicate(timeout=20)[1] == f"srun: Job allocation {number} has been revoked\n"
    assert process.returncode == 1
    assert pocket.sh(f"squeue -h -t PD -o %A | grep -x {number}")[0] == 1


def test_steps_within_an_allocation(pocket):
    code, out, err = pocket.sh(
        "salloc -Q -N2 --ntasks-per-node=1 sh -c 'srun -l printenv SLURMD_NODENAME | sort; srun -N1 -n1 -r1 printenv "
        "SLURMD_NODENAME; srun -r5 -n1 -N1 true'"
    )
    assert (code, out) == (1, "0: n1\n1: n2\nn2\n")
    assert err == (
        "srun: error: --relative and SLURM_JOB_NUM_NODES option incompatible with count of allocated nodes (5+1>2)\n"
    )


def test_heterogeneous_job(pocket):
    code, out, _ = pocket.sh(
        "salloc -Q -n1 : -n2 sh -c 'echo $SLURM_HET_SIZE; srun -l printenv SLURM_NTASKS; "
        "srun --het-group=1 -l printenv SLURM_NTASKS | sort'"
    )
    assert (code, out) == (0, "2\n0: 1\n0: 2\n1: 2\n")


def test_steps_of_several_components(pocket):
    code, out, err = pocket.sh(
        "salloc -Q -n1 : -n2 sh -c 'srun --het-group=0,1 -l printenv SLURM_NTASKS | sort; "
        "srun echo one : echo two | sort; "
        'srun --het-group=0-1 sh -c "exit \\$SLURM_NTASKS"\''
    )
    assert (code, out) == (2, "0: 1\n0: 2\n1: 2\none\ntwo\ntwo\n")
    assert sorted(err.splitlines()) == [
        "srun: error: n1: task 0: Exited with exit code 1",
        "srun: error: n2: tasks 0-1: Exited with exit code 2",
    ]
    assert pocket.sh("srun -n1 echo a : -n2 echo b | sort")[1] == "a\nb\nb\n"


def test_scancel_tasks_filters_and_questions(pocket):
    number = pocket.sh("sbatch -H --parsable -J arr -a 1-5 --wrap true")[1].strip()
    assert pocket.sh(f"scancel -v {number}_3") == (0, "", f"scancel: Terminating job {number}_3\n")
    assert pocket.sh(f"scancel {number}_[1,5]")[0] == 0
    assert pocket.sh(f"squeue -h -j {number} -o %K")[1] == "2,4\n"
    assert pocket.sh(f"echo n | scancel -i {number}")[1] == (
        f"Cancel job_id={number}_[2,4] name=arr partition=debug [y/n]? "
    )
    assert pocket.sh("scancel -v -n arr -t PD") == (0, "", f"scancel: Terminating job {number}_[2,4]\n")
    assert pocket.sh(f"squeue -h -j {number} -t PD")[1] == ""
    assert pocket.sh("scancel -v -n nosuch")[2].startswith("scancel: error: No active jobs match ALL job filters")
    assert pocket.sh("scancel 99999") == (0, "", "")
    assert pocket.sh("scancel -v 99999")[2] == (
        "scancel: Terminating job 99999\nscancel: error: Kill job error on job id 99999: Invalid job id specified\n"
    )


def test_signal_to_the_batch_shell(pocket):
    (pocket.directory / "trap.sh").write_text(
        "#!/bin/sh\n#SBATCH -o trap.out\ntrap 'echo got it; exit 3' USR1\necho up\nsleep 30 & wait\n"
    )
    process = pocket.start("sbatch", "-W", "trap.sh")
    number = re.search(r"(\d+)", process.stdout.readline())[1]
    # the step that waits for the script's first words ends when they are there
    assert pocket.sh("until grep -q up trap.out 2>/dev/null; do sleep 0.05; done")[0] == 0
    assert pocket.sh(f"scancel -b -s USR1 {number}")[0] == 0
    assert process.wait(20) == 3
    assert (pocket.directory / "trap.out").read_text() == "up\ngot it\n"


def test_completion_asks_the_cluster(pocket):
    assert pocket.sh("sbatch --autocomplete=:partition:d")[1] == "debug\n"
    assert pocket.sh("scancel --autocomplete=:node:n")[1] == "n1\nn2\n"
    number = pocket.sh("sbatch -H --parsable --wrap true")[1].strip()
    assert number in pocket.sh(f"scancel --autocomplete=:job:{number}")[1].split()
    pocket.sh(f"scancel {number}")


def test_completion_starts_no_cluster(pocket, tmp_path):
    code, out, err = pocket.sh("scancel --autocomplete=:job:", SLURMPY_POCKET=str(tmp_path / "none"))
    assert (code, out, err) == (0, "", "")
    assert not (tmp_path / "none").exists()
