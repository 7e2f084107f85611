"""The options of sbatch, salloc and srun: the tables are complete, and values are read and shown as 24.11 does.

sbatch_options.jsonl holds what real Slurm 24.11.5 prints for one option each: the lines of its -v listing, or its
refusal.
"""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.cli import description, job_environment, request
from slurmpy.cli.errors import Stop
from slurmpy.cli.job_options import JobOptions
from slurmpy.cli.options import job, salloc, sbatch, scancel, srun, values
from slurmpy.cli.options.values import Reading

TABLES = Path(__file__).parents[3] / "shared/reference/options/24.11"
COMMANDS = {"sbatch": sbatch, "srun": srun, "salloc": salloc, "scancel": scancel}
REAL = [json.loads(row) for row in (Path(__file__).parent / "sbatch_options.jsonl").open()]

needs_tables = pytest.mark.skipif(not TABLES.exists(), reason=f"no reference beside the repository: {TABLES}")

#: variables that the reference names and no option has, with the reason
ELSEWHERE = {
    "SLURM_CONF": "read when connecting",
    "SLURM_DEBUG_FLAGS": "there are no debug flags of commands",
    "SLURM_EXIT_ERROR": "errors.exit_code",
    "SLURM_EXIT_IMMEDIATE": "allocation",
    "SLURM_UMASK": "the umask of the job",
    "SLURM_NNODES": "real srun does not read it",
    "SCANCEL_CRON": "there are no jobs of scrontab",
    "SLURM_HINT": "salloc reads SALLOC_HINT",
    "SLURM_STEP_GRES": "real srun does not read it",
    "SLURM_STEP_KILLED_MSG_NODE_ID": "of the step's launch",
    "SLURM_SRUN_REDUCE_TASK_EXIT_MSG": "of the step's launch",
    "SLURM_DIST_PLANESIZE": "real srun reads --distribution",
    "SLURM_TEST_EXEC": "real srun finds programs on the nodes",
    "PMI_FANOUT": "PMI",
    "PMI_FANOUT_OFF_HOST": "PMI",
    "PMI_TIME": "PMI",
    "SLURM_PMI_KVS_NO_DUP_KEYS": "PMI",
}


def rows_of(path):
    with path.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@needs_tables
@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_there(name):
    have = {row.long: row for row in COMMANDS[name].COMMAND.options}
    for row in rows_of(TABLES / f"{name}.tsv"):
        ours = have.pop(row["long"])
        assert (ours.short or "", ours.argument) == (row["short"], row["argument"]), row["long"]
    assert list(have) == []


@needs_tables
@pytest.mark.parametrize("name", COMMANDS)
def test_every_variable_is_there(name):
    known = {variable for row in COMMANDS[name].COMMAND.options for variable in row.env}
    wanted = {row["name"] for row in rows_of(TABLES / f"env-{name}.tsv") if row["direction"] == "input"}
    known |= {variable for variable, _ in COMMANDS[name].COMMAND.environment}
    unknown = {one for one in wanted - known - set(ELSEWHERE) if not one.endswith("_POWER")}
    assert unknown == set()


def test_every_option_has_a_text_and_an_effect():
    for module in COMMANDS.values():
        for row in module.COMMAND.options:
            assert row.help or row.reject, row.long


def read(argv, env=None, program="sbatch", uid=0):
    command = COMMANDS[program].COMMAND
    at = Reading(program, 1_795_000_000, "/tmp", uid)
    parsed = command.getopt(argv)[0]
    return request.options_of(command, at, (command.from_environment(env or {}), parsed))


@pytest.mark.parametrize("row", [row for row in REAL if "listing" in row], ids=lambda row: " ".join(row["argv"]))
def test_listing(row):
    options = read([*row["argv"], "-v"])
    shown = [line[8:] for line in options.listing().splitlines()[2:-2]]
    assert [line for line in shown if not line.startswith("verbose ")] == row["listing"]


#: refusals that need the configuration, which the options alone do not
LATER = ("--gres=help", "-S", "--core-spec", "--thread-spec")


@pytest.mark.parametrize(
    "row",
    [row for row in REAL if "refused" in row and not row["argv"][0].startswith(LATER)],
    ids=lambda row: " ".join(row["argv"]),
)
def test_refusal(row):
    with pytest.raises(Stop) as stop:
        description.describe(read([*row["argv"], "-v"]), [])
    assert (stop.value.err, stop.value.out, stop.value.code) == (row["refused"], row.get("out", ""), row["rc"])


def describe(*argv, env=None, program="sbatch"):
    warnings = []
    return description.describe(read(argv, env, program), warnings), warnings


def test_descriptor():
    job, _ = describe(
        *(
            [
                "-n4",
                "-c2",
                "-N1-2",
                "--mem=2G",
                "-t",
                "1:30:15",
                "--time-min=5",
                "-p",
                "debug,long",
                "--signal=B:USR1@60",
                "--switches=1@10",
            ]
        ),
        *(
            [
                "--mail-type=ALL",
                "--gres=gpu:1",
                "--gpus-per-task=a100:2",
                "--nice",
                "--no-requeue",
                "--exclusive=user",
                "-m",
                "plane=3",
            ]
        ),
        *(["--kill-on-invalid-dep=yes", "--delay-boot=10", "--profile=task", "-k"]),
    )
    assert job.to_wire() == {
        "tasks": 4, "cpus_per_task": 2, "minimum_cpus": 8, "minimum_nodes": 1, "maximum_nodes": 2,
        "memory_per_node": 2048, "time_limit": 91, "time_minimum": 5, "partition": "debug,long",
        "kill_warning_signal": "USR1", "kill_warning_delay": 60, "kill_warning_flags": ("BATCH_JOB",),
        "required_switches": 1, "wait_for_switch": 600,
        "mail_type": ("INVALID_DEPENDENCY", "BEGIN", "END", "FAIL", "REQUEUE", "STAGE_OUT"),
        "tres_per_node": "gres/gpu:1", "tres_per_task": "cpu=2,gres/gpu:a100=2", "tres_bind": "gres/gpu:per_task:2",
        "nice": 100, "requeue": False, "shared": "user", "distribution": "plane", "distribution_plane_size": 3,
        "kill_on_invalid_dependency": True, "delay_boot": 600, "profile": ("TASK",), "kill_on_node_fail": False,
    }  # fmt: skip


def test_fewer_tasks_than_nodes():
    job, warnings = describe("-n2", "-N3")
    assert (job.minimum_nodes, job.maximum_nodes) == (2, 2)
    assert warnings == [("warning", "can't run 2 processes on 3 nodes, setting nnodes to 2")]


def test_line_wins_over_environment():
    job, _ = describe("--mem=5", env={"SBATCH_MEM_PER_CPU": "10", "SBATCH_PARTITION": "a", "SBATCH_REQUEUE": "0"})
    assert (job.memory_per_node, job.memory_per_cpu, job.partition, job.requeue) == (5, None, "a", None)
    assert describe(env={"SBATCH_REQUEUE": "1"})[0].requeue is True
    with pytest.raises(Stop) as stop:
        read([], {"SBATCH_MEM_PER_CPU": "10", "SBATCH_MEM_PER_NODE": "10"})
    assert "SLURM_MEM_PER_CPU, SLURM_MEM_PER_GPU, and SLURM_MEM_PER_NODE are mutually exclusive" in stop.value.err


def test_wait_for_switches_of_the_environment():
    assert describe(env={"SBATCH_REQ_SWITCH": "2", "SBATCH_WAIT4SWITCH": "10"})[0].wait_for_switch == 600
    job, _ = describe(env={"SLURM_REQ_SWITCH": "2", "SLURM_WAIT4SWITCH": "1:00"}, program="srun")
    assert (job.required_switches, job.wait_for_switch) == (2, 60)


def test_what_a_job_tells_its_srun():
    """The variables that sbatch sets are read again by an srun in the job."""
    for argv in (
        ["-n2", "-c2", "-m", "plane=2", "--mem-bind=v,local", "--profile=task", "-O", "--gpus-per-task=1"],
        ["-n2", "--tres-per-task=cpu=2,gres/gpu:a100=1", "--threads-per-core=1", "--mem-per-cpu=5", "-m", "cyclic"],
    ):
        options = read(argv)
        env = job_environment.option_variables(options)
        inner = read([], env, "srun")
        for name in ("ntasks", "distribution", "mem-bind", "gpus-per-task", "mem-per-cpu", "threads-per-core"):
            assert inner.get(name) == options.get(name), name
        assert description.task_tres(inner) == description.task_tres(options)
        assert read(["-c3"], env, "srun").get("cpus-per-task") == 3


def test_relative_files_follow_chdir():
    for argv in (["-o", "x", "-D", "/usr"], ["-D", "/usr", "-o", "x"]):
        assert read(argv).get("output") == "/usr/x"
    assert read(["-o", "x"]).get("output") == "/tmp/x"
    assert read(["-o", "none", "-D", "/usr"]).get("output") == "/dev/null"


@given(st.integers(0, 10**6), st.sampled_from(["", "K", "M", "G", "T", "kb", "gB"]))
def test_memory_reads_what_it_shows(amount, unit):
    at = Reading("sbatch", 0, "/", 0)
    mib = values.memory(f"{amount}{unit}", at)
    if mib:
        assert values.memory(values.show_memory(mib), at) == mib


@given(st.text(alphabet="0123456789-,:kmx", max_size=8))
def test_node_counts_are_read_or_refused(text):
    at = Reading("sbatch", 0, "/", 0)
    try:
        least, most, _ = values.nodes(text, at)
    except values.Bad as bad:
        assert bad.code == 255  # noqa: PT017
    else:
        assert 0 <= least <= most


def test_a_span_of_millions_is_not_laid_out():
    assert values.node_counts("1,1-9999m:1") == values.node_counts(f"1-{10**30}:1") == []
    assert values.node_counts("1,3,5-9:2") == [1, 3, 5, 7]


@given(st.text(max_size=12))
def test_no_text_breaks_an_option(text):
    for row in job.rows("sbatch"):
        if row.argument == "required" and row.reject is None and row.long not in ("--nodefile", "--bbf"):
            options = JobOptions(sbatch.COMMAND, Reading("sbatch", 1_795_000_000, "/tmp", 0))
            try:
                options.apply(sbatch.COMMAND.getopt([f"{row.long}={text}"])[0])
                options.listing()
            except Stop as stop:
                assert stop.code in (1, 255) or stop.out  # noqa: PT017


def test_export():
    env = {"A": "1", "B": "2", "SLURM_X": "3"}
    assert job_environment.exported(None, env) == env
    assert job_environment.exported("NONE", env) == {"SLURM_X": "3"}
    assert job_environment.exported("A,C=4", env) == {"SLURM_X": "3", "A": "1", "C": "4"}
    assert job_environment.exported("ALL,C='4,5'", env) == {**env, "C": "4,5"}


def test_export_file(tmp_path):
    file = tmp_path / "env"
    file.write_bytes(b"A=1\0B=two words\0nonsense\0C=\xff\0")
    assert job_environment.from_file(str(file), "sbatch") == {"A": "1", "B": "two words", "C": "\udcff"}


def test_components_inherit():
    command = COMMANDS["sbatch"].COMMAND
    at = Reading("sbatch", 1_795_000_000, "/tmp", 0)
    argv = "-J a -H -n4 -t5 --mem=7 -p x : -n2 -t6 : -J b run.sh arg"
    lines = request.component_lines(command, argv.split())
    found = request.components_of(command, at, lines, {"SBATCH_TIMELIMIT": "9", "SBATCH_QOS": "low"})
    assert lines[-1].operands == ["run.sh", "arg"]
    assert [one.get("job-name") for one in found] == ["a", "a", "b"]
    assert [one.get("time") for one in found] == [5, 6, 6]
    assert [one.get("ntasks") for one in found] == [4, 2, None]
    assert [one.get("mem") for one in found] == [7, 7, 7]
    assert [one.get("partition") for one in found] == ["x", None, None]
    assert all(one.get("hold") and one.get("qos") == "low" for one in found)
