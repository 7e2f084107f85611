"""Counting usage in slots of time. Where a test says so, its figures are those that a real slurmdbd 24.11 rolled up
from the same records."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slurmpy.accounting.tally import Reservation, Tally, overlap, rows, waiting_tasks
from slurmpy.core.states import NodeState

WHO = ("ref", "physics", "anna", "", "normal")
OTHER = ("ref", "chem", "", "", "normal")
HOUR = 3600
SIZE = "cpu=10,mem=100,energy=0,billing=10"


def hour(number: int, seconds: int = 0) -> int:
    return number * HOUR + seconds


def tally(*, hours: int = 1, size: str = SIZE) -> Tally:
    made = Tally([hour(number) for number in range(1, hours + 2)], now=hour(1000))
    made.cluster_size("ref", 0, 0, size)
    return made


def parts(made: Tally, tres: str = "cpu", slot: int = 0) -> dict[str, int]:
    """What is not nothing and not idle of the cluster's time in a slot."""
    row = made.slots[slot].utilization()["ref", tres]
    if row["reported"]:
        assert sum(row[name] for name in ("allocated", "down", "planned_down", "idle", "planned")) == row["reported"]
    return {name: seconds for name, seconds in row.items() if seconds and name not in ("idle", "reported")}


@given(*[st.integers(0, 50)] * 4)
def test_overlap_is_the_seconds_in_common(a: int, b: int, c: int, d: int) -> None:
    assert overlap(a, b, c, d) == len(set(range(a, b)) & set(range(c, d)))


def test_sums() -> None:
    made = Tally([1000, 2000], now=5000)
    made.cluster_size("ref", 0, 0, "cpu=10,mem=100")
    made.node_down("ref", 1900, 0, "cpu=4")
    made.job(WHO, 900, 950, 1100, "cpu=2,mem=10", 2)  # 100 seconds of it
    made.job(WHO, 1500, 1900, 0, "cpu=1", 1, [(1950, 1960)])  # 100 - 10; it waited for 400
    made.job(WHO, 1500, 0, 0, "", 4)  # waits for 500
    made.job(OTHER, 0, 0, 1500, "", 1)  # was cancelled before it was eligible
    made.finish()
    assert made.used == {WHO: {"cpu": 290, "mem": 1000}}
    cpu = rows(made.utilization())[0]
    assert cpu["reported"] == 10_000
    assert (cpu["allocated"], cpu["down"], cpu["planned"]) == (290, 400, 400 + 2000)
    assert cpu["idle"] == 10_000 - 290 - 400 - 2400


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 8)), max_size=12), st.integers(1, 16)
)
def test_the_whole_is_never_less_than_its_parts(jobs: list[tuple[int, int, int]], cpus: int) -> None:
    made = Tally([1000, 1300, 2000], now=2500)
    made.cluster_size("ref", 500, 0, f"cpu={cpus}")
    for start, seconds, wanted in jobs:
        made.job(WHO, start, start + 1, start + 1 + seconds, f"cpu={wanted}", wanted)
    made.finish()
    for row in rows(made.utilization()):
        pieces = [row[name] for name in ("allocated", "down", "planned_down", "idle", "planned")]
        assert min(pieces) >= 0
        assert sum(pieces) == row["reported"]


JOBS = st.lists(
    st.tuples(
        st.integers(1, 400), st.integers(0, 100), st.integers(0, 300), st.integers(1, 9), st.sampled_from(["", "r"])
    ),
    max_size=8,
)
STRETCH = st.tuples(st.integers(0, 400), st.integers(1, 300), st.integers(1, 6))
STRETCHES = st.lists(STRETCH, max_size=3)


@given(JOBS, STRETCHES, st.lists(STRETCH, max_size=1), st.lists(st.integers(1, 399), max_size=5))
def test_slots_add_up_to_what_every_second_gives(
    jobs: list[tuple[int, int, int, int, str]],
    nodes: list[tuple[int, int, int]],
    reservations: list[tuple[int, int, int]],
    cuts: list[int],
) -> None:
    """Used and gross sums (not the clipped ones) are the same however time is cut; second by second, counted anew."""

    def counted(bounds: list[int]) -> Tally:
        made = Tally(bounds, now=350)
        made.cluster_size("ref", 10, 0, "cpu=7,mem=9")
        for start, seconds, cpus in nodes:
            made.node_down("ref", start, start + seconds, f"cpu={cpus}")
        for number, (start, seconds, cpus) in enumerate(reservations):
            made.reservation("ref", Reservation(number, "r", start, start + seconds, f"cpu={cpus}"))
        for eligible, wait, seconds, cpus, reservation in jobs:
            start = eligible + wait
            made.job(
                WHO, eligible, start, start + seconds, f"cpu={cpus},mem=2", cpus, [(start + 2, start + 9)],
                (0, reservation),
            )  # fmt: skip
        made.finish()
        return made

    bounds = [0, *sorted(set(cuts)), 400]
    whole, pieces, seconds = counted([0, 400]), counted(bounds), counted(list(range(401)))
    assert whole.used == pieces.used == seconds.used
    for name in ("capacity", "allocated", "down", "planned_down"):
        sums = [
            {
                tres: total
                for tres in ("cpu", "mem")
                if (total := sum(getattr(slot.of("ref"), name).get(tres, 0) for slot in made.slots))
            }
            for made in (whole, pieces)
        ]
        assert sums[0] == sums[1]
    ran = sum(
        cpus
        for second in range(400)
        for eligible, wait, length, cpus, _ in jobs
        if eligible + wait <= second < eligible + wait + length
        and not eligible + wait + 2 <= second < eligible + wait + 9
    )
    assert whole.used.get(WHO, {}).get("cpu", 0) == ran


# ---- as the real one has it


def test_energy_is_an_amount() -> None:
    made = tally(hours=2)
    made.job(WHO, 0, hour(1), hour(2), "cpu=2,energy=500", 2)
    assert parts(made, "energy") == {"allocated": 500, "over": 500}  # there is no whole of it
    assert made.slots[0].used[WHO] == {"cpu": 7200, "energy": 500}
    longer = tally(hours=3)
    longer.job(WHO, hour(1), hour(1, 1800), hour(3, 1800), "cpu=1,energy=900", 1)
    assert [slot.used[WHO].get("energy", 0) for slot in longer.slots] == [0, 0, 900]


def test_waiting_fills_what_is_idle_and_the_rest_is_too_much() -> None:
    made = tally()
    made.job(WHO, hour(1), hour(1), hour(2), "cpu=8,mem=10", 8)
    made.job(WHO, hour(1), hour(2), hour(3), "cpu=5", 5)
    assert parts(made) == {"allocated": 28800, "planned": 7200, "over": 10800}
    assert parts(made, "mem") == {"allocated": 36000}


def test_what_is_allocated_comes_before_what_is_down() -> None:
    made = tally()
    made.node_down("ref", hour(1), hour(2), "cpu=4,mem=40")
    made.job(WHO, hour(1), hour(1), hour(2), "cpu=8,mem=10", 8)
    assert parts(made) == {"allocated": 28800, "down": 7200}
    assert parts(made, "mem") == {"allocated": 36000, "down": 144000}
    full = tally()
    full.job(WHO, hour(1), hour(1), hour(2), "cpu=12", 12)
    assert parts(full) == {"allocated": 36000}
    assert full.used == {WHO: {"cpu": 43200}}


def test_states_of_nodes() -> None:
    expected = {
        NodeState.DOWN: "down",
        NodeState.DOWN | NodeState.DRAIN: "down",
        NodeState.IDLE | NodeState.DRAIN: "down",
        NodeState.DOWN | NodeState.FAIL: "down",
        NodeState.DOWN | NodeState.POWERED_DOWN: "planned_down",
        NodeState.DOWN | NodeState.MAINTENANCE: "",
    }
    for state, part in expected.items():
        made = tally()
        made.node_down("ref", hour(1), hour(2), "cpu=4", state)
        assert parts(made) == ({part: 14400} if part else {})


def test_slurmctld_away() -> None:
    made = tally()
    made.cluster_down("ref", hour(1), hour(1, 1800), SIZE)
    assert parts(made) == {"down": 18000}
    busy = tally()
    busy.cluster_down("ref", hour(1), hour(1, 1800), SIZE)
    busy.job(WHO, hour(1), hour(1), hour(2), "cpu=5", 5)
    assert parts(busy) == {"allocated": 18000, "down": 9000}
    both = tally()  # what is down already is not down twice
    both.cluster_down("ref", hour(1), hour(1, 1800), SIZE)
    both.node_down("ref", hour(1), hour(2), "cpu=4")
    assert parts(both) == {"down": 18000 + 4 * 1800}


def test_suspended_jobs_free_their_cpus_only() -> None:
    made = tally()
    made.job(WHO, 0, hour(1), hour(2), "cpu=2,mem=20,billing=2", 2, [(hour(1, 100), hour(1, 700))])
    made.finish()
    assert made.used[WHO] == {"cpu": 6000, "mem": 72000, "billing": 7200}


def test_each_waiting_task_of_an_array_waits() -> None:
    assert [waiting_tasks(text) for text in ("", "3", "1-3", "[0-9:3%2]", "0-9,20-28:2%4", "x")] == [1, 1, 3, 4, 15, 1]
    made = tally()
    made.job(WHO, hour(1), 0, 0, "", 2 * waiting_tasks("1-3"))
    assert parts(made) == {"planned": 21600}


def reserved(
    *jobs: dict[str, Any], tres: str = "cpu=4", flags: tuple[str, ...] = (), members: Any = (OTHER, WHO)
) -> Tally:
    made = tally()
    made.reservation("ref", Reservation(1, "r", hour(1), hour(2), tres, flags, members))
    for job in jobs:
        made.job(WHO, job.get("eligible", hour(1)), job.get("start", hour(1)), job["end"], job["tres"],
                 job.get("cpus", 0), (), (1, "r"))  # fmt: skip
    made.finish()
    return made


def cpu(made: Tally) -> tuple[int, int, float]:
    """What OTHER and WHO are charged, and the unused wall time."""
    of = made.used
    unused = [wall for cluster, one in made.reservations() for _, wall in made.unused_wall(cluster, one)]
    return of.get(OTHER, {}).get("cpu", 0), of.get(WHO, {}).get("cpu", 0), sum(unused)


def test_the_idle_time_of_a_reservation_is_shared_out() -> None:
    idle = reserved()
    assert cpu(idle) == (7200, 7200, 3600)
    assert parts(idle) == {"allocated": 14400}
    busy = reserved({"end": hour(1, 1800), "tres": "cpu=3"})
    assert cpu(busy) == (3600, 9000, 2250)
    assert parts(busy) == {"allocated": 14400}
    assert cpu(reserved({"end": hour(1, 1800), "tres": "cpu=1"})) == (3600, 5400, 3150)
    assert cpu(reserved(*[{"end": hour(1, 1800), "tres": "cpu=1"}] * 2)) == (0, 3600, 2700)
    over = reserved({"end": hour(2), "tres": "cpu=6"}, members=(OTHER,))
    assert cpu(over) == (0, 21600, 0)
    assert parts(over) == {"allocated": 14400}
    every = reserved({"end": hour(1, 1800), "tres": "cpu=1,mem=40,billing=1"}, tres="cpu=4,mem=40,billing=4")
    assert every.used[OTHER] == {"cpu": 3600, "mem": 36000, "billing": 3600}
    assert every.used[WHO] == {"cpu": 5400, "mem": 108000, "billing": 5400}
    assert cpu(reserved(members=())) == (0, 0, 3600)


def test_waiting_for_a_reservation_is_not_planned() -> None:
    made = reserved({"start": hour(1, 1800), "end": hour(2), "tres": "cpu=3", "cpus": 3})
    assert cpu(made) == (3600, 9000, 2250)
    assert parts(made) == {"allocated": 14400}


def test_maintenance_is_planned_down() -> None:
    made = reserved({"end": hour(1, 1800), "tres": "cpu=3"}, flags=("MAINT",))
    assert parts(made) == {"planned_down": 14400}
    assert cpu(made) == (3600, 9000, 2250)


def test_a_reservation_that_ignores_jobs_counts_its_jobs_only() -> None:
    made = reserved(
        {"start": hour(1, 1800), "end": hour(2), "tres": "cpu=3", "cpus": 3}, flags=("IGNORE_JOBS",), members=(OTHER,)
    )
    assert parts(made) == {"allocated": 5400, "planned": 5400}
    assert cpu(made) == (7200, 5400, 2250)
    both = reserved({"end": hour(2), "tres": "cpu=3"}, flags=("IGNORE_JOBS", "MAINT"), members=(OTHER,))
    assert parts(both) == {"allocated": 10800}
    assert cpu(both) == (0, 10800, 900)


def test_down_in_maintenance_beside_jobs() -> None:
    made = tally()
    made.node_down("ref", hour(1), hour(2), "cpu=4")
    made.reservation("ref", Reservation(1, "r", hour(1), hour(2), "cpu=4", ("MAINT",)))
    made.job(WHO, hour(1), hour(1), hour(2), "cpu=5", 5)
    assert parts(made) == {"allocated": 18000, "down": 14400, "planned_down": 3600}


def test_absurd_counts_stay_numbers() -> None:
    made = tally(size=f"cpu=4,{'x' * 200}=3,mem={'9' * 60}")
    made.job(WHO, hour(1), hour(1), hour(2), f"cpu={'9' * 40}", 10**30)
    made.job(WHO, hour(1), hour(1), hour(2), "cpu=x,mem=3", 1)
    assert parts(made) == {"allocated": 14400}
    assert parts(made, "mem") == {}
    assert set(made.utilization()) == {("ref", "cpu"), ("ref", "mem")}
