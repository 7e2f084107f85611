"""Placement: what real Slurm 24.11 gave on the golden scenario's nodes, and what must hold for any request."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmpy.controller import node_room, select
from slurmpy.controller.state import Job, State
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState, NodeState

from . import world

NODES = """
ClusterName=unit
SlurmctldHost=localhost
SelectType=select/cons_tres
SelectTypeParameters={select}
DefMemPerCPU=500
GresTypes=gpu
MaxArraySize=1001
NodeName=n1 Sockets=2 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=16000 Features=amd,fast,ib Gres=gpu:a100:4 Weight=10
NodeName=n2 Sockets=2 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=16000 Features=amd,slow Gres=gpu:v100:2 Weight=20
NodeName=n3 Sockets=1 CoresPerSocket=4 ThreadsPerCore=2 RealMemory=32000 TmpDisk=40000 Features=intel,fast Weight=30
NodeName=n4 Sockets=2 CoresPerSocket=4 ThreadsPerCore=2 RealMemory=64000 TmpDisk=40000 Features=intel,big,ib Weight=40
PartitionName=debug Nodes=n[1-4] Default=YES DefaultTime=1:00:00 MaxTime=INFINITE State=UP
PartitionName=small Nodes=n3 MaxNodes=1 MaxTime=30 MaxCPUsPerNode=4 State=UP
PartitionName=shared Nodes=n[3-4] OverSubscribe=FORCE:2 State=UP
PartitionName=excl Nodes=n4 OverSubscribe=EXCLUSIVE State=UP
"""
GRES = "NodeName=n1 Name=gpu Type=a100 File=/dev/refgpu[0-3]\nNodeName=n2 Name=gpu Type=v100 File=/dev/refgpu[4-5]\n"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return world.state_of(NODES.format(select="CR_CPU_Memory"), tmp_path, GRES)


def shown(state: State, job: Job) -> str:
    """``n1:0-3/4000 n2:0/500`` with CPU ids (threads), as scontrol -d show job writes them."""
    from slurmpy.controller.gres_request import ranges

    parts = []
    for name, alloc in job._allocation.items():
        threads = node_room.cpus_per_core(state.nodes[name])
        ids = [core * threads + thread for core in alloc.core_ids() for thread in range(threads)]
        parts.append(f"{name}:{ranges(ids)}/{alloc.memory}")
    return " ".join(parts)


#: options of sbatch: CPUs in all, and the allocation; all of them measured on the real thing, each on idle nodes
REAL = {
    "": (1, "n1:0/500"),
    "-n5": (5, "n1:0-4/2500"),
    "-n9": (9, "n1:0-7/4000 n2:0/500"),
    "-n2 -N2": (2, "n1:0/500 n2:0/500"),
    "-n3 -N2": (3, "n1:0-1/1000 n2:0/500"),
    "-n5 -N2": (5, "n1:0-3/2000 n2:0/500"),
    "-n16 -N4": (16, "n1:0-7/4000 n2:0-5/3000 n3:0-1/500 n4:0-1/500"),
    "-N2-4 -n2": (2, "n1:0/500 n2:0/500"),
    "-N4 -n6 -c2": (12, "n1:0-5/3000 n2:0-1/1000 n3:0-1/1000 n4:0-1/1000"),
    "-n1 -c9": (9, "n4:0-9/4500"),
    "-N1 -n9": (9, "n4:0-9/4500"),
    "-n1 -w n3": (1, "n3:0-1/500"),
    "-n3 -w n3": (3, "n3:0-3/1500"),
    "-n3 -w n4": (3, "n4:0-3/1500"),
    "-n9 -w n4": (9, "n4:0-9/4500"),
    "-c3 -w n4": (3, "n4:0-3/1500"),
    "-n2 -c3 -w n4": (6, "n4:0-5/3000"),
    "-n20": (20, "n1:0-7/4000 n2:0-7/4000 n3:0-3/2000"),
    "-n30": (30, "n1:0-7/4000 n2:0-7/4000 n3:0-7/4000 n4:0-5/3000"),
    "--exclusive -n1": (8, "n1:0-7/4000"),
    "--mem=0 -n1": (1, "n1:0/16000"),
    "-n1 --threads-per-core=1 -w n3": (1, "n3:0-1/500"),
    "-n3 --ntasks-per-core=1 -w n3": (3, "n3:0-5/1500"),
    "-N2 --ntasks-per-node=3": (6, "n1:0-2/1500 n2:0-2/1500"),
    "-N2 --ntasks-per-node=3 --mem=100": (6, "n1:0-2/100 n2:0-2/100"),
    "-n4 --ntasks-per-socket=1": (4, "n1:0,4/1000 n2:0,4/1000"),
    "--gres=gpu:1 -n1": (1, "n1:4/500"),
    "--gpus=2 -n1": (1, "n1:4/500"),
    "--gpus=2": (1, "n1:0/500"),
    "--gres=gpu:a100:2 -n5": (5, "n1:0-4/2500"),
    "-w n3,n4 -n3": (3, "n3:0-1/500 n4:0-1/1000"),
    "-w n1,n2 -n5": (5, "n1:0-3/2000 n2:0/500"),
    "-w n1,n2,n3 -n10": (10, "n1:0-7/4000 n2:0/500 n3:0-1/500"),
    "-w n2 -N2 -n5": (5, "n1:0/500 n2:0-3/2000"),
    "-w n3,n4 -n12": (12, "n3:0-7/4000 n4:0-3/2000"),
    "-w n2 -n9": (9, "n1:0/500 n2:0-7/4000"),
    "-w n3 -n8 -N2": (8, "n1:0-1/1000 n3:0-5/3000"),
    "-C 'intel&ib'": (1, "n4:0-1/500"),
    "-C 'fast|slow' -N2": (2, "n1:0/500 n2:0/500"),
    "-C '[fast|slow]' -N2": (2, "n1:0/500 n3:0-1/500"),
    "-C '[fast*1&slow*1]' -N2": (2, "n1:0/500 n2:0/500"),
    "--overcommit -n20 -N1": (1, "n1:0/500"),
    "-p shared -n4 -w n3": (4, "n3:0-3/2000"),
    "-p excl -n1": (16, "n4:0-15/8000"),
    "--mem-per-cpu=5000 -n2": (2, "n1:0-1/10000"),
    "--mem=15000 -N2": (2, "n1:0/15000 n2:0/15000"),
    "-B 2:2:1 -n4": (4, "n1:0-3/2000"),
}


@pytest.mark.parametrize("options", REAL)
def test_placement_equals_the_real_one(state: State, options: str) -> None:
    job = world.submit(state, f"{options} --wrap true")
    assert world.run(state) == [job]
    cpus, places = REAL[options]
    assert job.cpus == cpus
    assert shown(state, job) == places


#: what runs there already, what is asked for, and the CPUs it got of the real thing
OCCUPIED = (
    ("-w n1 -n3", "-n1", "3"), ("-w n1 -n3", "-n2", "4-5"), ("-w n1 -n3", "-n3", "4-6"), ("-w n1 -n3", "-n4", "4-7"),
    ("-w n1 -n3", "-n5", "3-7"), ("-w n1 -n3", "-c2", "4-5"), ("-w n1 -n3", "-c3", "3-5"), ("-w n1 -n3", "-c4", "3-6"),
    ("-w n1 -n3", "-c5", "3-7"), ("-w n1 -n3", "-n2 -c2", "3-6"), ("-w n1 -n3", "-n1 --gres=gpu:1", "4"),
    ("-w n1 -n2", "-c2", "2-3"), ("-w n1 -n2", "-c3", "4-6"), ("-w n1 -n2", "-c4", "2-5"),
    ("-w n1 -n2", "-n2 -c2", "4-7"),
    ("-w n1 -n2", "-n3 -c2", "2-7"), ("-w n1 -n1", "-c2", "1-2"), ("-w n1 -n1", "-c3", "1-3"),
    ("-w n1 -n1", "-n2 -c2", "1-4"), ("-w n1 -n1", "-n3", "1-3"), ("-w n1 -n1", "-n5", "1,4-7"),
    ("-w n1 -n1", "-n2", "1-2"), ("-w n1 -n1", "-n4", "4-7"), ("-w n1 -n1", "-c4", "1-4"), ("-w n1 -n5", "-n1", "5"),
    ("-w n1 -n5", "-n3", "5-7"), ("-w n1 -n1 --gres=gpu:1", "-n1", "5"), ("-w n1 -n1 --gres=gpu:1", "-n4", "0-3"),
    ("-w n1 -n1 --gres=gpu:1", "-n5", "0-3,5"), ("-w n1 -n1 --gres=gpu:1", "-n1 --gres=gpu:1", "5"),
    ("-w n1 -n3", "--gpus=2", "3"),
    ("-w n4 -n2", "-n5", "2-7"), ("-w n4 -n2", "-n8", "8-15"), ("-w n4 -n2", "-c4", "2-5"),
    ("-w n4 -n2", "-n2 -c3", "2-7"), ("-w n4 -n2", "-n1", "2-3"), ("-w n4 -n2", "-n3", "2-5"),
)  # fmt: skip


@pytest.mark.parametrize(("before", "options", "cpus"), OCCUPIED)
def test_cores_beside_another_job_are_the_real_ones(state: State, before: str, options: str, cpus: str) -> None:
    world.submit(state, f"{before} --mem=100 --wrap true")
    world.run(state)
    node = before.split()[1]
    job = world.submit(state, f"-w {node} {options} --mem=100 --wrap true")
    assert world.run(state) == [job]
    assert shown(state, job) == f"{node}:{cpus}/100"


def test_too_many_cpus_of_a_partition_limit_are_refused(state: State) -> None:
    with pytest.raises(SlurmError) as caught:
        world.submit(state, "-p small --mem=100 -n8 --wrap true")
    assert caught.value.name == "ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE"


def test_cr_core_counts_whole_cores(tmp_path: Path) -> None:
    state = world.state_of(NODES.format(select="CR_Core_Memory"), tmp_path, GRES)
    job = world.submit(state, "-n3 -w n3 --wrap true")
    world.run(state)
    assert job.cpus == 4
    assert job._allocation["n3"].core_ids() == [0, 1]


def test_select_linear_gives_whole_nodes(tmp_path: Path) -> None:
    text = NODES.format(select="CR_Memory").replace("select/cons_tres", "select/linear")
    state = world.state_of(text, tmp_path, GRES)
    jobs = [world.submit(state, "-w n1 -n1 --mem=10 --wrap true") for _ in range(2)]
    assert world.run(state) == jobs[:1]
    assert jobs[0].cpus == 8
    world.end(state, jobs[0])
    assert world.run(state) == jobs[1:]


def test_partitions_limit_the_nodes_of_a_job(tmp_path: Path) -> None:
    more = "PartitionName=two Nodes=ALL MaxNodes=2 MinNodes=2"
    state = world.simple(tmp_path, nodes=4, sockets=1, cores=2, partitions=more)
    small = world.submit(state, "-p two -n1 --wrap true")
    assert world.run(state) == [small]
    assert len(small._allocation) == 2
    with pytest.raises(SlurmError, match="configuration"):
        world.submit(state, "-p two -n6 --wrap true")


def test_memory_is_not_counted_without_memory_in_the_parameters(tmp_path: Path) -> None:
    state = world.state_of(NODES.format(select="CR_CPU"), tmp_path, GRES)
    jobs = [world.submit(state, "-w n1 --mem=9000 --wrap true") for _ in range(3)]
    assert world.run(state) == jobs
    assert all(job._allocation["n1"].memory == 0 for job in jobs)


def test_devices_are_given_once_and_come_back(state: State) -> None:
    first = world.submit(state, "--gres=gpu:a100:3 --wrap true")
    second = world.submit(state, "--gres=gpu:a100:2 --wrap true")
    assert world.run(state) == [first]
    assert first.gres_detail == ("gpu:a100:3(IDX:0-2)",)
    assert state.nodes["n1"].gres_used == "gpu:a100:3(IDX:0-2)"
    world.end(state, first)
    assert world.run(state) == [second]
    assert second.gres_detail == ("gpu:a100:2(IDX:0-1)",)


def test_two_jobs_share_cores_where_the_partition_forces_it(state: State) -> None:
    jobs = [world.submit(state, "-p shared -w n3 -n8 --mem=10 --wrap true") for _ in range(3)]
    assert world.run(state) == jobs[:2]
    assert [job._allocation["n3"].core_ids() for job in jobs[:2]] == [[0, 1, 2, 3]] * 2
    world.end(state, jobs[0])
    assert world.run(state) == jobs[2:]


def test_sharing_jobs_and_others_are_never_on_one_node(state: State) -> None:
    first = world.submit(state, "-p shared -w n3 -n1 --mem=10 --wrap true")
    other = world.submit(state, "-p debug -w n3 -N1 -n1 --mem=10 --wrap true")
    assert world.run(state) == [first]
    assert other.state_reason == "Resources"
    world.end(state, first)
    assert world.run(state) == [other]
    named = world.submit(state, "-p shared -w n3 -n2 --mem=10 --wrap true")
    free = world.submit(state, "-p shared -n2 --mem=10 --wrap true")
    assert world.run(state) == [free]
    assert (free.nodes, named.state_reason) == ("n4", "Resources")


def test_cores_are_shared_only_where_none_are_left(state: State) -> None:
    world.submit(state, "-p shared -w n3 -n1 --mem=10 --wrap true")
    beside = world.submit(state, "-p shared -n2 --mem=10 --wrap true")
    around = world.submit(state, "-p shared -w n3 -n8 --mem=10 --wrap true")
    world.run(state)
    assert shown(state, beside) == "n3:2-3/10"
    assert shown(state, around) == "n3:4-7/10 n4:0-3/10"
    over = world.submit(state, "-p shared -w n3 -N1 -n8 --mem=10 --wrap true")
    assert world.run(state) == [over]
    assert shown(state, over) == "n3:0-7/10"


def test_a_node_for_one_user_takes_only_that_users_jobs(state: State) -> None:
    first = world.submit(state, "-w n1 --exclusive=user --wrap true", "anna")
    mine = world.submit(state, "-w n1 --wrap true", "anna")
    other = world.submit(state, "-w n1 --wrap true", "bob")
    assert world.run(state) == [first, mine]
    assert not other._allocation
    world.end(state, first)
    world.end(state, mine)
    assert world.run(state) == [other]


def test_suspended_jobs_keep_memory_but_not_cores(state: State) -> None:
    job = world.submit(state, "-w n1 -n8 --mem=15000 --wrap true")
    small = world.submit(state, "-w n1 -n8 --mem=1000 --wrap true")
    big = world.submit(state, "-w n1 -n1 --mem=2000 --wrap true")
    assert world.run(state) == [job]
    select.suspend(state, job)
    state.set_job_state(job, JobState.SUSPENDED)
    assert world.run(state) == [small]
    assert not big._allocation
    world.end(state, small)
    select.resume(state, job)
    assert state.nodes["n1"]._cores_used == 0xFF


def test_node_states_follow_use(state: State) -> None:
    node = state.nodes["n1"]
    half = world.submit(state, "-w n1 -n4 --wrap true")
    world.run(state)
    assert node.state & NodeState.BASE == NodeState.MIXED
    rest = world.submit(state, "-w n1 -n4 --wrap true")
    world.run(state)
    assert node.state & NodeState.BASE == NodeState.ALLOCATED
    assert node.tres_used == "cpu=8,mem=4000M"
    world.end(state, half)
    world.end(state, rest)
    assert node.state & NodeState.BASE == NodeState.IDLE
    assert (node.alloc_cpus, node.alloc_memory, node.tres_used) == (0, 0, "")


def test_contiguous_nodes(tmp_path: Path) -> None:
    state = world.simple(tmp_path, nodes=6, sockets=1, cores=2)
    world.submit(state, "-w n3 -n2 --wrap true")
    job = world.submit(state, "-N3 --contiguous --wrap true")
    world.run(state)
    assert job.nodes == "n[4-6]"


# ------------------------------------------------------------------------------------------------ what always holds

requests = st.builds(
    lambda tasks, per_task, nodes, memory, exclusive, where: " ".join(
        [
            f"-n{tasks}",
            *([f"-c{per_task}"] if per_task else []),
            *([f"-N{min(nodes, tasks)}"] if nodes else []),
            *([f"--mem={memory}"] if memory else []),
            *(["--exclusive"] if exclusive else []),
            *([f"-p {where}"] if where else []),
            "-t 10 --wrap true",
        ]
    ),
    st.integers(1, 12),
    st.sampled_from([None, None, 2, 3]),
    st.sampled_from([None, None, 1, 2, 4]),
    st.sampled_from([None, 100, 7000]),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([None, None, None, "shared", "excl"]),
)


def check_counters(state: State) -> None:
    """The counters of every node are the sums of what its jobs hold, and nothing is given twice."""
    for name, node in state.nodes.items():
        holders = list(node._jobs.values())
        allocs = [job._allocation[name] for job in holders]
        assert node._cpus_used == sum(alloc.cpus for alloc in allocs)
        assert node._memory_used == sum(alloc.memory for alloc in allocs) <= node.real_memory
        whole = [job for job in holders if job.shared == "NO" or job.partition == "excl"]
        assert not whole or len(holders) == 1
        plain = 0
        for job, alloc in zip(holders, allocs, strict=True):
            assert alloc.cores < 1 << node._core_count
            assert alloc.cpus <= alloc.cores.bit_count() * node_room.cpus_per_core(node)
            if job.partition != "shared":
                assert not plain & alloc.cores
                plain |= alloc.cores
        uses = [sum(alloc.cores >> core & 1 for alloc in allocs) for core in range(node._core_count)]
        assert max(uses, default=0) <= 2
        for core in range(node._core_count):
            if plain >> core & 1:
                assert uses[core] == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(st.one_of(requests, st.integers(0, 30)), min_size=3, max_size=30))
def test_nothing_is_given_twice_and_everything_comes_back(
    tmp_path_factory: pytest.TempPathFactory, script: list[str | int]
) -> None:
    state = world.state_of(NODES.format(select="CR_CPU_Memory"), tmp_path_factory.mktemp("place"), GRES)
    for step in script:
        if isinstance(step, int):  # one of the running jobs ends
            running = list(state.running.values())
            if running:
                world.end(state, running[step % len(running)])
        else:
            try:
                world.submit(state, step)
            except SlurmError as error:
                assert error.name == "ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE"  # noqa: PT017
        for job in world.run(state):
            wanted = job._tres_request
            assert len(job._allocation) >= wanted["node"]
            assert sum(alloc.cpus for alloc in job._allocation.values()) >= wanted["cpu"]
            if job.memory_per_node:
                assert all(alloc.memory == job.memory_per_node for alloc in job._allocation.values())
        check_counters(state)
    for job in list(state.running.values()):
        world.end(state, job)
    for node in state.nodes.values():
        assert (node._cpus_used, node._memory_used, node._cores_used, node._exclusive) == (0, 0, 0, 0)
        assert not node._jobs
        assert not node._rows
        assert not node._gres_used
