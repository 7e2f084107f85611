"""Rolling up beside a real slurmdbd: the rows of its hours over random records, and what ours makes of the same.

``SLURMPY_PEER`` and ``SLURMPY_PEER_SQL`` as in `test_sreport`. Left out is what differs on purpose: energy of a job of
several hours, which the real one counts anew in each, a slurmctld that is away while a node goes down, and jobs that
began before their reservation did.
"""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import time

import pytest

from slurmpy.accounting.tally import Reservation, Tally

PEER, SQL = os.environ.get("SLURMPY_PEER", ""), os.environ.get("SLURMPY_PEER_SQL", "")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER, reason="SLURMPY_PEER does not say how a real Slurm's commands are started"),
    pytest.mark.skipif(not SQL, reason="SLURMPY_PEER_SQL does not say how its database is reached"),
    pytest.mark.xdist_group("peer"),
]
NAMES = {"1": "cpu", "2": "mem", "5": "billing"}
HOURS = 24
PARTS = {
    "alloc_secs": "allocated", "down_secs": "down", "pdown_secs": "planned_down", "idle_secs": "idle",
    "plan_secs": "planned", "over_secs": "over",
}  # fmt: skip


def sql(text: str) -> list[list[str]]:
    client = [*shlex.split(SQL), "-N", "-B"]
    done = subprocess.run(client, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def insert(table: str, **values: object) -> str:
    texts = (f"'{value}'" if isinstance(value, str) else str(value) for value in values.values())
    return f"insert into ref_{table}_table ({', '.join(f'`{name}`' for name in values)}) values ({', '.join(texts)});"


def named(tres: str) -> str:
    return ",".join(f"{NAMES[number]}={count}" for number, _, count in (one.partition("=") for one in tres.split(",")))


def made_up(dice: random.Random, zero: int) -> tuple[Tally, list[str]]:
    """The same records for both: counted by ours, and as statements for the real one's database."""
    tally = Tally([zero + 3600 * hour for hour in range(HOURS + 1)], zero + 400_000)
    size, start = "1=40,2=100,5=40", zero - 86400
    said = [insert("event", time_start=start, time_end=0, node_name="", cluster_nodes="n", reason="", state=0,
                   reason_uid=0, tres=size)]  # fmt: skip
    tally.cluster_size("ref", start, 0, named(size))
    for number in range(3):
        start = zero + dice.randint(0, 82_000)
        end, state, tres = start + dice.randint(10, 9000), dice.choice((1, 0x1001, 0x202, 0x8001)), "1=4,2=10"
        said.append(insert("event", time_start=start, time_end=end, node_name=f"n{number}", cluster_nodes="n",
                           reason="", state=state, reason_uid=0, tres=tres))  # fmt: skip
        tally.node_down("ref", start, end, named(tres), state)
    stretches = {}
    for number in range(1, 4):
        start = zero + dice.randint(0, 75_000)
        end, tres, flag = start + dice.randint(600, 9000), f"1={dice.randint(2, 6)}", dice.choice((0, 0, 1, 0x40))
        stretches[number] = (start, end)
        said.append(insert("resv", id_resv=number, assoclist="1,2", flags=flag, nodelist="n", node_inx="0",
                           resv_name=f"r{number}", time_start=start, time_end=end, tres=tres,
                           unused_wall=0))  # fmt: skip
        flags = [name for bit, name in ((1, "MAINT"), (0x40, "IGNORE_JOBS")) if flag & bit]
        members = [("ref", "1", "", "", ""), ("ref", "2", "", "", "")]
        tally.reservation("ref", Reservation(number, f"r{number}", start, end, named(tres), flags, members))
    for number in range(1, 30):
        reservation, cpus, assoc = dice.choice((0, 0, 0, 1, 2, 3)), dice.randint(1, 8), dice.choice((1, 2))
        eligible = zero + dice.randint(0, 80_000)
        start = eligible + dice.randint(0, 5000)
        end = start + dice.randint(1, 9000)
        if reservation:
            eligible = start = stretches[reservation][0]
            end = min(stretches[reservation][1], start + dice.randint(1, 8000))
        pauses = [(start + 5, start + 50)] if not reservation and end > start + 60 and dice.random() < 0.3 else []
        tres = f"1={cpus},2=3,5={cpus}"
        said.append(insert(
            "job", job_db_inx=number, mod_time=0, account="root", cpus_req=cpus, job_name="j", id_assoc=assoc,
            id_job=number, id_qos=1, id_resv=reservation, id_wckey=0, id_user=0, id_group=0, het_job_id=0,
            het_job_offset=0, state_reason_prev=0, nodes_alloc=1, partition="debug", priority=1, state=3, timelimit=60,
            time_submit=eligible, time_eligible=eligible, time_start=start, time_end=end,
            time_suspended=45 if pauses else 0, wckey="", work_dir="/", tres_alloc=tres, tres_req="1=1", nodelist="n",
        ))  # fmt: skip
        said += [
            insert("suspend", job_db_inx=number, id_assoc=assoc, time_start=first, time_end=last)
            for first, last in pauses
        ]
        name = f"r{reservation}" if reservation else ""
        who = ("ref", str(assoc), "", "", "")
        tally.job(who, eligible, start, end, named(tres), cpus, pauses, (reservation, name))
    tally.finish()
    return tally, said


@pytest.mark.parametrize("seed", range(3))
def test_hours_are_as_a_real_slurmdbd_has_them(seed: int) -> None:
    zero = (int(time.time()) // 86400 - 8) * 86400
    tally, said = made_up(random.Random(seed), zero)
    clear = [f"delete from ref_{name}_table;" for name in ("job", "suspend", "resv", "event")]
    for kind in ("", "assoc_", "qos_", "wckey_"):
        clear += [f"delete from ref_{kind}usage_{period}_table;" for period in ("hour", "day", "month")]
    last = f"update ref_last_ran_table set hourly_rollup={zero}, daily_rollup={zero}, monthly_rollup={zero};"
    sql("\n".join([*clear, *said, last]))
    stamps = [time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) for at in (zero, zero + 3600 * HOURS)]
    done = subprocess.run(
        [*shlex.split(PEER), "env", "TZ=UTC", "sacctmgr", "-i", "rollup", *stamps], capture_output=True, text=True,
        timeout=60, cwd="/", check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "SUCCESS" in done.stderr
    numbers = ",".join(NAMES)
    real = {
        (int(row[0]), NAMES[row[1]]): [int(one) for one in row[2:]]
        for row in sql(
            f"select time_start, id_tres, {', '.join(PARTS)} from ref_usage_hour_table where id_tres in ({numbers});"
        )
    }
    assert real == {
        (slot.start, tres): [sums[part] for part in PARTS.values()]
        for slot in tally.slots
        for (_, tres), sums in slot.utilization().items()
    }
    used = sql("select time_start, id, id_tres, alloc_secs from ref_assoc_usage_hour_table where alloc_secs > 0;")
    assert {(int(row[0]), row[1], NAMES[row[2]]): int(row[3]) for row in used} == {
        (slot.start, who[1], tres): seconds
        for slot in tally.slots
        for who, sums in slot.used.items()
        for tres, seconds in sums.items()
        if seconds
    }
    unused = {int(row[0]): float(row[1]) for row in sql("select id_resv, unused_wall from ref_resv_table;")}
    for cluster, one in tally.reservations():
        assert sum(wall for _, wall in tally.unused_wall(cluster, one)) == pytest.approx(unused[one.number], abs=1)
