"""Decisions held against what real Slurm 24.11 answered and showed in the golden scenario."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from slurmpy.controller import backfill, limits, reservation_admin, reservations, select, submission
from slurmpy.controller.state import Reservation, State
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import JobState, NodeState

from . import world

pytestmark = pytest.mark.skipif(not world.GOLDEN.is_dir(), reason="no golden captures beside the repository")

#: fields of a new job that do not depend on what the scheduler does with it later
FIELDS = (
    "account", "association_id", "node_count", "tasks", "cpus_per_task", "tasks_per_node", "tasks_per_core",
    "minimum_cpus_per_node", "memory_per_cpu", "memory_per_node", "features", "qos", "wckey", "tres_req_str",
    "tres_per_node", "tres_per_job", "tres_per_task", "tres_bind", "cpus_per_tres", "memory_per_tres", "licenses",
    "partition", "required_nodes", "excluded_nodes", "delay_boot", "nice", "contiguous", "array_max_tasks",
    "sockets_per_node", "cores_per_socket", "threads_per_core", "mail_user", "mail_type", "profile", "flags",
    "minimum_tmp_disk_per_node", "required_switches", "maximum_switch_wait_time", "burst_buffer", "prefer", "extra",
    "batch_flag", "container", "group_name", "time_minimum", "deadline",
)  # fmt: skip
#: set by what happens later
LATER = {"ACCRUE_COUNT_CLEARED", "BACKFILL_ATTEMPTED", "JOB_WAS_RUNNING", "SKIP_TRES_STRING_ACCOUNTING", "DEPENDENT"}


def plain(value: Any) -> Any:
    if isinstance(value, dict) and "set" in value:
        return INFINITE if value["infinite"] else value["number"] if value["set"] else None
    return tuple(value) if isinstance(value, list) else value


def command_of(row: dict[str, Any]) -> tuple[str, str]:
    """(user, command) of a capture."""
    lines = row["cmd"].split("\n")
    user = "root"
    while lines[0].startswith("#"):
        if lines[0].startswith("#user"):
            user = lines[0].split()[1]
        lines.pop(0)
    return user, "\n".join(lines)


# ------------------------------------------------------------------------------------------------ refused submissions


def refusals() -> list[Any]:
    if not world.GOLDEN.is_dir():
        return []
    found = []
    for row in [*world.captures("errors"), *(row for row in world.captures("submit") if str(row["rc"]) != "0")]:
        user, command = command_of(row)
        match = re.match(r"(sbatch|salloc|srun) ", command)
        if not match or "#env" in row["cmd"] or "--test-only" in command or "-M " in command:
            continue
        options = command[match.end() :]
        if match[1] != "sbatch":
            if "-I" in command or not re.search("submit/allocate failed|Unable to allocate", row["err"]):
                continue
            options = re.sub(r"( |^)true$", " --wrap true", options)
        answer = re.search(r"(?:failed|resources): (.*)", row["err"])
        if answer is None and "Submitted" not in row["out"]:
            continue  # refused by the command itself
        said = [
            line.removeprefix(f"{match[1]}: error: ")
            for line in row["err"].split("\n")
            if line.startswith(f"{match[1]}: error: ") and "failed" not in line and "resources" not in line
        ]
        expected = answer[1] if answer else ""
        name = row["name"].split("/")[-1]
        found.append(pytest.param(user, options, expected, said, "enforce" in name, id=name))
    return found


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, State]:
    states = {}
    for enforce in (False, True):
        state = world.golden_state(tmp_path_factory.mktemp("golden"), enforce)
        one = Reservation(name="maint_tomorrow", users="root", start_time=state.now + 86400, end_time=state.now + 90000)
        one._node_names = ("n4",)
        state.reservations[one.name] = one
        for _ in range(3):
            world.submit(state, "--wrap true", "anna")
        states[enforce] = state
    return states


@pytest.mark.parametrize(("user", "options", "expected", "said", "enforce"), refusals())
def test_submission_answers(
    clusters: dict[bool, State], user: str, options: str, expected: str, said: list[str], enforce: bool
) -> None:
    state = clusters[enforce]
    before = dict(state.jobs)
    refused: SlurmError | None = None
    try:
        job = world.submit(state, options, user)
    except SlurmError as error:
        refused = error
    if refused is None:
        assert expected == ""
        state.remove_job(job)
        limits.on_end(state, job)
    else:
        assert refused.message == expected
        assert [line for line in str(refused.data.get("user_message", "")).split("\n") if line] == said
        assert state.jobs == before


# ------------------------------------------------------------------------------------------------ records of jobs


def submissions() -> list[Any]:
    if not world.GOLDEN.is_dir():
        return []
    ids = dict(reversed(row.split()) for row in (world.GOLDEN / "jobs.tsv").read_text().splitlines())
    found = []
    for row in world.captures("submit"):
        user, command = command_of(row)
        name = row["name"].split("/")[-1]
        # the deadline job's deadline is past; steps of heterogeneous jobs come from files
        if str(row["rc"]) == "0" and command.startswith("sbatch ") and ".sh" not in command and name != "deadline":
            # reservations and jobs to wait for are not there
            command = re.sub(r"--(dependency|reservation)=\S+", "", command)
            found.append(pytest.param(user, command[7:], int(ids[name]), id=name))
    return found


@functools.lru_cache(1)
def squeue_flags() -> dict[int, list[str]]:
    """As squeue --json showed them, soon after the submissions."""
    for row in world.captures("squeue"):
        if row["name"].split("/")[-1] == "json":
            return {job["job_id"]: job["flags"] for job in json.loads(row["out"])["jobs"]}
    raise AssertionError("no capture of squeue --json")


@pytest.mark.parametrize(("user", "options", "job_id"), submissions())
def test_new_job_equals_the_real_one(clusters: dict[bool, State], user: str, options: str, job_id: int) -> None:
    state = clusters[False]
    real = world.golden_jobs()[job_id]
    job = world.submit(state, options, user)
    state.remove_job(job)
    limits.on_end(state, job)
    differing = {}
    for field in FIELDS:
        want, got = plain(real[field]), getattr(job, field)
        if field == "flags":
            want = tuple(flag for flag in want if flag not in LATER)
            got = tuple(flag for flag in got if flag not in LATER)
            if real["resv_name"]:  # the reservation's partition was taken instead of the default one
                got = tuple(flag for flag in got if flag != "PARTITION_ASSIGNED")
                want = tuple(flag for flag in want if flag != "PARTITION_ASSIGNED")
        elif field == "tasks" and want is None:
            continue  # an ended job that never ran
        elif field == "node_count" and real["state_reason"] == "QOSMaxCpuPerUserLimit":
            continue  # what the scheduler has found
        if got != want:
            differing[field] = (want, got)
    if real["job_state"] == ["PENDING"] and not real["hold"] and real["user_name"] != "root" and not job.hold:
        assert job.priority == plain(real["priority"])
    if job.hold:
        assert ("DEPENDENT" in job.flags) == ("DEPENDENT" in squeue_flags()[job_id])
        assert job.max_nodes == plain(real["max_nodes"])
    assert not differing


# ------------------------------------------------------------------------------------------------ the living scenario


def make_reservations(state: State) -> None:
    now = state.now

    def make(**wishes: Any) -> None:
        reservations.create(state, wishes, None, now)  # type: ignore[arg-type]

    day = 86400
    make(name="maint_tomorrow", start_time=now + day, duration=120, flags=("MAINT", "IGNORE_JOBS"), node_list="n4",
         users="root")  # fmt: skip
    make(name="user_resv", start_time=now, duration=1440, users="anna", node_list="n3", core_count=2)
    make(name="acct_resv", start_time=now + day, duration=180, accounts="physics", node_list="n2", flags=("DAILY",))
    make(name="float_resv", start_time=now + 2 * day, duration=60, users="root", node_list="n2",
         flags=("TIME_FLOAT", "MAINT"))  # fmt: skip
    make(name="lic_resv", start_time=now + 7200, duration=60, users="carol", licenses="ansys:1", flags=("ANY_NODES",))
    make(name="part_resv", start_time=now + 3 * day, duration=30, users="root", partition="long", node_list="ALL",
         flags=("PART_NODES", "OVERLAP"))  # fmt: skip
    make(start_time=now + 4 * day, duration=30, accounts="chem,bio", node_count=2, features="fast", partition="debug")
    make(name="tres_resv", start_time=now + 5 * day, duration=30, users="bob", tres="cpu=4")
    make(name="weekly_resv", start_time=1894003200, end_time=1894010400, flags=("WEEKLY", "PURGE_COMP"), users="bob",
         node_list="n1", max_start_delay=300)  # fmt: skip


@pytest.fixture
def known_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservation_admin, "_user_exists", lambda name: name in world.UIDS)


def test_reservations_equal_the_real_ones(tmp_path: Path, known_users: None) -> None:
    state = world.golden_state(tmp_path)
    state.nodes["n4"].state |= NodeState.DRAIN
    make_reservations(state)
    for row in world.captures("scontrol"):
        if row["name"].endswith("json-show-reservation"):
            real = {one["name"]: one for one in json.loads(row["out"])["reservations"]}
    assert set(state.reservations) <= set(real)
    for name, one in state.reservations.items():
        want = real[name]
        assert (one.node_list, one.node_count, one.core_count, one.tres, one.partition) == (
            want["node_list"], want["node_count"], want["core_count"], want["tres"], want["partition"],
        ), name  # fmt: skip
        assert set(one.flags) == set(want["flags"]), name
        cores = tuple((entry["node"], entry["core"]) for entry in want["core_specializations"])
        assert one.core_specializations == cores, name
        assert (one.users, one.accounts, one.features, one.licenses) == (
            want["users"], want["accounts"], want["features"], want["licenses"],
        ), name  # fmt: skip


#: the live jobs of the scenario in the order of their submission; what happens between them is in `test_live`
LIVE = (
    "run_gpu", "run_mem", "run_resv", "suspended", "het_run", "array_run", "container", "salloc", "limited_run",
    "dave_run", "special", "exclusive",
    "priority", "dep_ok", "dep_multi", "dep_time", "dep_corr", "begin", "held", "heldadmin",
    "nodenotavail", "licenses", "resv_future", "partdown", "parttime", "partnodes", "assoc_maxjobs", "qos_maxjobs",
    "qos_maxcpu", "many", "multipart", "gpus",
)  # fmt: skip


def test_live_jobs_are_where_and_why_the_real_ones_are(tmp_path: Path, known_users: None) -> None:
    state = world.golden_state(tmp_path)
    state.nodes["n4"].state |= NodeState.DRAIN
    make_reservations(state)
    real = world.golden_jobs()
    ids = {name: int(number) for number, name in map(str.split, (world.GOLDEN / "jobs.tsv").read_text().splitlines())}
    commands = {row["name"].split("/")[-1]: command_of(row) for row in world.captures("submit")}
    back = {number: name for name, number in ids.items()}
    ours: dict[str, int] = {}
    for name in LIVE:
        user, command = commands[name]
        if name == "het_run":
            ours[name] = submit_het(state, "-J het_run -n1 --mem=100 -w n2 -t 30 : -n1 --mem=200 -w n3 -t 30")
        else:
            options = command.split(" ", 1)[1].replace("--no-shell", "")
            waits_for = re.search(r"--dependency=\S+", options)
            if waits_for:
                named = re.sub(r"(?<=:)\d+", lambda match: str(ours[back[int(match[0])]]), waits_for[0])
                options = options.replace(waits_for[0], named)
            ours[name] = world.submit(state, options, user).job_id
        world.run(state)
        if name == "array_run":
            for task, base in ((0, JobState.COMPLETED), (1, JobState.FAILED)):
                world.end(state, state.find_task(ours[name], task), base)
            world.run(state)
        elif name == "dave_run":
            suspended = state.jobs[ours["suspended"]]
            select.suspend(state, suspended)
            state.set_job_state(suspended, JobState.SUSPENDED)
        elif name == "special":
            special = state.jobs[ours.pop(name)]
            assert special.nodes == "n2"
            world.end(state, special)
        elif name == "heldadmin":
            job = state.jobs[ours[name]]
            job.hold, job.priority, job._hold_admin = True, 0, True
            state.requeue_look(job)
            world.run(state)
    for job in backfill.run(state, state.now):
        world.began(state, job, state.now)
    differing = {}
    for name, job_id in ours.items():
        job, want = state.jobs[job_id], real[ids[name]]
        cores = [one["core_ids"] for one in select.job_resources(state, job)["allocation"]] if job._allocation else []
        got = (
            job.state_reason, job.state_description, job.nodes, cores, job.scheduled_nodes, job.tres_alloc_str,
            job.node_count, job.max_nodes, bool(job.eligible_time), bool(job.accrue_time),
            bool(job.last_sched_evaluation), job.start_time > state.now + 10**7,
        )  # fmt: skip
        expected = (
            want["state_reason"], want["state_description"], want["nodes"], real_cores(want), want["scheduled_nodes"],
            want["tres_alloc_str"], plain(want["node_count"]), plain(want["max_nodes"]),
            bool(plain(want["eligible_time"])), bool(plain(want["accrue_time"])),
            bool(plain(want["last_sched_evaluation"])), plain(want["start_time"]) > state.now + 10**7,
        )  # fmt: skip
        if got != expected:
            differing[name] = (expected, got)
    assert not differing
    components = state.by_het[ours["het_run"]].values()
    assert [job.excluded_nodes for job in components] == [real[job_id]["excluded_nodes"] for job_id in (44, 45)]
    # aftercorr: task 0 has run, task 1 never will, task 2 waits
    parts = {job.array_task_id: job for job in state.by_array[ours["dep_corr"]].values()}
    assert parts[0].is_running
    assert parts[1].state_reason == "DependencyNeverSatisfied"
    assert parts[2].state_reason == "Dependency"
    world.end(state, parts[0])  # it had ended by the time of that capture
    for row in world.captures("scontrol"):
        if row["name"].endswith("json-show-node"):
            nodes = {node["name"]: node for node in json.loads(row["out"])["nodes"]}
    fields = ("alloc_cpus", "alloc_memory", "tres_used", "reservation", "gres_used", "tres_weighted")
    for name, node in state.nodes.items():
        assert [getattr(node, field) for field in fields] == [plain(nodes[name][field]) for field in fields], name
        flags = NodeState.RESERVED | NodeState.MAINTENANCE | NodeState.PLANNED
        named = {"RESERVED": NodeState.RESERVED, "MAINTENANCE": NodeState.MAINTENANCE, "PLANNED": NodeState.PLANNED}
        assert node.state & flags == sum(named.get(word, 0) for word in nodes[name]["state"]), name


def submit_het(state: State, command: str) -> int:
    jobs = [
        submission.build_job(state, desc, (world.UIDS["anna"], 5000, "anna"), state.now)
        for desc in world.describe(command.replace(" :", " --wrap true :") + " --wrap true")
    ]
    submission.link_components(jobs)
    for offset, job in enumerate(jobs):
        job.job_id = state.take_job_id()
        job.het_job_id, job.het_job_offset = jobs[0].job_id, offset
    for job in jobs:
        state.add_job(job)
        limits.on_submit(state, job)
    return jobs[0].job_id


def real_cores(want: dict[str, Any]) -> list[tuple[int, ...]]:
    found = []
    for node in (want["job_resources"] or {"nodes": {"allocation": ()}})["nodes"]["allocation"]:
        states = [core["status"] for socket in node["sockets"] for core in socket["cores"]]
        found.append(tuple(at for at, status in enumerate(states) if status == ["ALLOCATED"]))
    return found


#: measured on the real thing besides the golden captures: options, answer, what is said before it
MORE_REFUSALS = (
    ("--gpus=1 --tres-bind=gres/gpu:x", "Invalid Trackable RESource (TRES) specification", ""),
    ("-n1 --tres-per-task=gpu=1", "Invalid Trackable RESource (TRES) specification", ""),
    ("--batch=slow -C fast", "Job --batch option is invalid or not a subset of --constraint", ""),
    (
        "--ntasks-per-gpu=2",
        "Invalid generic resource (gres) specification",
        "gres_job_state_validate: --ntasks-per-tres needs either a GRES GPU specification or a node/ntask "
        "specification",
    ),
    (
        "--gpus-per-socket=1",
        "Invalid generic resource (gres) specification",
        "--gpus-per-socket option requires --sockets-per-node specification",
    ),
    ("-p ''", "Invalid partition name specified", "invalid partition specified: (null)"),
    ("-p ,", "Invalid partition name specified", "invalid partition specified: (null)"),
    (
        "--mem-per-gpu=2",
        "Invalid generic resource (gres) specification",
        "Requested mem_per_tres=gres/gpu:2 but did not request any GPU.",
    ),
    ("-d singleton -N100", "Requested node configuration is not available", ""),
    ("--begin=now+1hour -N100", "Requested node configuration is not available", ""),
    ("-d afternotok:999999", "Job dependency problem", ""),
    ("-d afterany:999999,afterok:999998", "Job dependency problem", ""),
    ("-A ''", "Invalid account or account/partition combination specified", ""),
)


@pytest.mark.parametrize(
    "options",
    ["-H -N100", "-d after:999999", "-d afterany:999999", "-d aftercorr:999999", "-d after:999999+5", "--gpus=0",
     "--gres=gpu:0", "-d afterburstbuffer:999999"],
)  # fmt: skip
def test_what_the_real_one_accepts(clusters: dict[bool, State], options: str) -> None:
    state = clusters[False]
    job = world.submit(state, f"{options} --wrap true", "anna")
    assert job.dependency == ""
    state.remove_job(job)
    limits.on_end(state, job)


@pytest.mark.parametrize(("options", "expected", "said"), MORE_REFUSALS)
def test_more_submission_answers(clusters: dict[bool, State], options: str, expected: str, said: str) -> None:
    with pytest.raises(SlurmError) as caught:
        world.submit(clusters[False], f"{options} --wrap true", "anna")
    assert caught.value.message == expected
    assert caught.value.data.get("user_message", "") == said
