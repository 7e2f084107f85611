"""Starting and stopping: races, leftovers, bad directories."""

import os
import re
import signal
import stat
import subprocess

import pytest

from tests.e2e.cluster import Pocket
from tests.e2e.test_main_job import until


@pytest.fixture
def fresh(tmp_path):
    pocket = Pocket(tmp_path)
    yield pocket
    pocket.down()


def test_the_first_command_starts_it_and_says_so_once(fresh):
    first = fresh.run("srun", "hostname")
    assert (first.returncode, first.stdout) == (0, os.uname().nodename + "\n"), first.stderr
    assert re.fullmatch(r"srun: started a pocket cluster, .*'slurmpy down' stops it\n", first.stderr)
    second = fresh.run("srun", "hostname")
    assert (second.stdout, second.stderr) == (first.stdout, "")


def test_commands_that_race_start_one(fresh):
    racers = [fresh.popen("squeue", "-h", stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    said = [racer.communicate(timeout=60) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 6, said
    assert sum("started a pocket cluster" in err for _, err in said) == 1
    supervisors = [text for text in fresh.processes().values() if "slurmpy.pocket.supervisor" in text]
    assert supervisors


def test_its_files_and_sockets_are_the_users_alone(fresh):
    fresh.start()
    for path in (fresh.directory, fresh.directory / "run", fresh.directory / "state"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE((fresh.directory / "slurm.key").stat().st_mode) == 0o600


def test_slurmrestd_is_of_it_where_no_slurm_conf_is(fresh):
    asked = "GET /slurm/v0.0.42/ping/ HTTP/1.1\r\nConnection: close\r\n\r\n"
    daemon = fresh.popen("slurmrestd", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    answer, told = daemon.communicate(asked, timeout=60)
    assert "started a pocket cluster" in told
    assert answer.startswith("HTTP/1.1 200 OK\n"), (answer, told)
    assert '"pinged": "UP"' in answer


def test_up_status_down(fresh):
    assert fresh.run("slurmpy", "status").returncode == 1
    fresh.ok("slurmpy", "up", "--nodes=3", "--cpus=4", "--memory=2G", "--gres=gpu:a100:2", "--features=fast,ib")
    assert fresh.ok("sinfo", "-h", "-o", "%D %c %m %G %f %t") == "3 4 2048 gpu:a100:2 fast,ib idle\n"
    assert "nodes  3, 12 CPUs" in fresh.ok("slurmpy", "status")
    again = fresh.run("slurmpy", "up", "--nodes=2")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("slurmpy: error: the pocket cluster runs already")
    fresh.ok("slurmpy", "down")
    assert fresh.ok("slurmpy", "down") == "the pocket cluster is not running\n"
    assert fresh.processes() == {}


def test_down_cancels_what_runs_and_keeps_what_waits(fresh):
    fresh.start()
    running = fresh.submit("--wrap=sleep 1000")
    waiting = fresh.submit("--hold", "--wrap=true")
    fresh.ok("slurmpy", "down")
    assert fresh.processes() == {}
    fresh.start()
    assert fresh.state(waiting) == "PENDING"
    assert fresh.state(running) == "CANCELLED"


@pytest.mark.parametrize("victim", ["slurmctld", "slurmd-n1", "slurmdbd", "supervisor"])
def test_what_is_killed_comes_back(fresh, victim):
    fresh.start()
    job = fresh.submit("--hold", "--wrap=true")
    if victim == "supervisor":
        pid = int((fresh.directory / "supervisor.lock").read_text())
    else:
        pid = fresh.pid(victim)
    os.kill(pid, signal.SIGKILL)
    from tests.e2e.test_main_job import until

    assert until(lambda: fresh.run("squeue", "-h", "-o", "%i").stdout, lambda out: out == f"{job}\n") == f"{job}\n"
    fresh.ok("scontrol", "release", job)
    fresh.wait(job)
    assert fresh.state(job) == "COMPLETED"


def test_a_stale_socket_and_pid_file_do_no_harm(fresh):
    fresh.start()
    fresh.ok("slurmpy", "down")
    (fresh.directory / "run" / "slurmctld.pid").write_text("1\n")
    (fresh.directory / "supervisor.lock").write_text("1\n")
    import socket

    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(fresh.directory / "run" / "slurmctld.sock"))
    stale.close()
    assert fresh.run("squeue", "-h").returncode == 0


def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path):
    pocket = Pocket(tmp_path)
    (tmp_path / "file").write_text("")
    done = pocket.run("squeue", env={"SLURMPY_POCKET": str(tmp_path / "file" / "pocket")})
    assert done.returncode == 1
    assert re.fullmatch(
        r"squeue: error: cannot make the pocket cluster's directory .*: Not a directory .*\n", done.stderr
    )


def test_a_full_disk_is_one_clear_line(tmp_path):
    pocket = Pocket(tmp_path)
    pocket.directory.mkdir(mode=0o700)
    (pocket.directory / "slurm.conf.new").symlink_to("/dev/full")
    done = pocket.run("squeue")
    assert done.returncode == 1
    assert re.fullmatch(r"squeue: error: cannot write .*slurm.conf: No space left on device\n", done.stderr), (
        done.stderr
    )


def test_a_broken_slurm_conf_of_the_pocket_is_told(fresh):
    fresh.directory.mkdir(mode=0o700)
    (fresh.directory / "slurm.conf").write_text("NoSuchParameter=1\n")
    done = fresh.run("squeue")
    assert done.returncode == 1
    assert "NoSuchParameter" in done.stderr
    assert "Traceback" not in done.stderr


def test_logs(fresh):
    missing = fresh.run("slurmpy", "logs")
    assert missing.returncode == 1
    fresh.start()
    assert "slurmctld" in fresh.ok("slurmpy", "logs")
    assert fresh.run("slurmpy", "logs", "nosuch").stderr.startswith("slurmpy: error: no log of nosuch")


@pytest.mark.skipif(os.geteuid() != 0, reason="a pocket's only user with an account is root")
def test_jobs_that_come_before_slurmdbd_have_their_users_account(fresh):
    """slurmdbd starts beside the first jobs; in the books they are as those that come later."""
    fresh.run("srun", "true")
    fresh.run("sbatch", "-o", "/dev/null", "--array=1-3", "--wrap", "true")
    fresh.run("sbatch", "-o", "/dev/null", "--hold", "--wrap", "true")
    show = ("sacct", "-j", "1,2,5", "-X", "-n", "-P", "-o", "JobID,Account,QOS,AssocID")
    expected = {f"{job}|root|normal|2" for job in ("1", "2_1", "2_2", "2_3", "5")}
    lines = until(lambda: set(fresh.run(*show).stdout.split()), lambda found: found == expected, 30)
    assert lines == expected
    assert "Account=root QOS=normal" in fresh.run("scontrol", "show", "job", "5").stdout


def test_files_of_the_present_directory_are_no_part_of_its_programs(fresh):
    for name in ("json", "pty", "socket", "slurmpy"):
        (fresh.home / f"{name}.py").write_text("raise SystemExit('taken from the present directory')\n")
    fresh.ok("slurmpy", "up")
    assert fresh.ok("srun", "echo", "fine") == "fine\n"
