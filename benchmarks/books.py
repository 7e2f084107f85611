"""Books to measure with: the same jobs for our slurmdbd and, by SQL, for the database of a real one.

Job ``n`` of `Plan.jobs` is the same on both sides: a minute of one processor with a batch step. As a program this fills
the database of a slurmdbd that has been started once (and is not running), or sends records to one that runs, in a
process of its own, so that the one which measures stays small::

    python books.py PLACE register | fill JOBS NOW | rate JOBS STEPS [BEFORE]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

BIN = os.path.dirname(sys.executable)
#: what slurmctld sends at a time
BATCH = 500
#: the user whose thousand jobs are asked for (nobody, everywhere)
USER, USER_ID = "nobody", 65534
#: jobs that each of the promised queries finds
FOUND = 1000
_YEAR = 365 * 86400
_BATCH_STEP = 0xFFFFFFFB
_TRES = "cpu=1,mem=10M,node=1,billing=1"
_LINE = "sbatch --wrap=true"

SLURM_CONF = """\
ClusterName=ref
SlurmctldHost=ctl(127.0.0.1)
StateSaveLocation={place}/state
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
CommunicationParameters=socket_dir={place}/run,no_tcp
NodeName=vm CPUs=32
PartitionName=debug Nodes=vm Default=YES
"""
SLURMDBD_CONF = """\
DbdHost=localhost
LogFile={place}/slurmdbd.log
CommunicationParameters=socket_dir={place}/run,no_tcp
SlurmUser={user}
{storage}
"""


class Plan:
    """`jobs` finished jobs: most over the year before, the last thousand within the hour before `now`.

    Every ``jobs / 1000``-th is `USER`'s; the jobs from `array` on are the thousand tasks of one array. Their ids are
    those after `before`, so that they are new ones in books that have others already.
    """

    def __init__(self, jobs: int, now: int, before: int = 0) -> None:
        self.jobs, self.now, self.before = jobs, now, before
        self.found = min(FOUND, jobs // 4)
        self.old = jobs - self.found
        self.every = max(1, self.old // self.found)
        self.array = jobs // 2
        self.began = now - _YEAR
        self.pace = (_YEAR - 86400) // self.old

    def submitted(self, number: int) -> int:
        if number <= self.old:
            return self.began + number * self.pace
        return self.now - 3300 + (number - self.old) * 3000 // self.found

    def window(self, jobs: int) -> tuple[int, int]:
        """From and to when `jobs` of the old ones ended."""
        return self.submitted(1000), self.submitted(1000 + jobs)

    def job(self, number: int) -> dict[str, Any]:
        submit = self.submitted(number)
        task = number - self.array
        in_array = 0 <= task < self.found
        return {
            "job_id": self.before + number, "submit_time": submit, "name": "wrap",
            "user_id": USER_ID if number % self.every == 0 else 2000 + number % 199,
            "user_name": USER if number % self.every == 0 else f"user{number % 199}",
            "group_name": "users", "group_id": 100,
            "account": "root", "association_id": 2, "partition": "debug", "qos": "normal", "priority": 1,
            "eligible_time": submit, "required_cpus": 1, "required_memory_per_node": 10, "time_limit": 0xFFFFFFFF,
            "tres_requested": _TRES, "array_job_id": self.array if in_array else 0,
            "array_task_id": task if in_array else None, "restart_cnt": 0, "current_working_directory": "/home/user",
            "standard_input": "/dev/null", "standard_output": "/dev/null", "submit_line": _LINE,
            "flags": "STARTED_ON_SCHEDULE,START_RECEIVED",
        }  # fmt: skip

    def start(self, number: int) -> dict[str, Any]:
        job = self.job(number)
        job |= {"kind": "job_start", "job_state": 1, "start_time": job["submit_time"] + 1, "end_time": 0}
        return job | {"tres_allocated": _TRES, "allocation_nodes": 1, "nodes": "vm"}

    def end(self, number: int) -> dict[str, Any]:
        item = self.start(number)
        end = item["start_time"] + 60
        return item | {"kind": "job_complete", "job_state": 3, "end_time": end, "exit_code": 0, "derived_exit_code": 0}

    def step_start(self, number: int) -> dict[str, Any]:
        return {
            "kind": "step_start", "job_id": self.before + number, "submit_time": self.submitted(number),
            "step_id": _BATCH_STEP, "name": "batch", "job_state": 1, "start_time": self.submitted(number) + 1,
            "end_time": 0, "nodes": "vm",
            "node_count": 1, "number_tasks": 1, "tres_allocated": "cpu=1,mem=10M,node=1", "cpu_frequency_minimum": 0,
            "cpu_frequency_maximum": 0, "cpu_frequency_governor": 0, "distribution": "Unknown",
        }  # fmt: skip

    def step_end(self, number: int) -> dict[str, Any]:
        usage = "cpu=2,mem=1048576,vmem=2097152,pages=3"
        places = "cpu=vm,mem=vm,vmem=vm,pages=vm", "cpu=0,mem=0,vmem=0,pages=0"
        item = self.step_start(number)
        item |= {"kind": "step_complete", "job_state": 3, "end_time": item["start_time"] + 60, "exit_code": 0}
        item |= {"user_cpu_usec": 397, "system_cpu_usec": 1935}
        for part, text in zip(("ave", "max", "max_node", "max_task", "min", "min_node", "min_task", "tot"),
                              (usage, usage, *places, usage, *places, usage), strict=True):  # fmt: skip
            item[f"tres_usage_in_{part}"] = text
        return item

    def told(self, steps: bool, ahead: int = 200) -> Iterator[dict[str, Any]]:
        """The records as a slurmctld sends them that ends jobs `ahead` of them after their start."""
        for number in range(1, self.jobs + ahead + 1):
            if number <= self.jobs:
                yield self.start(number)
                if steps:
                    yield self.step_start(number)
            if number > ahead:
                if steps:
                    yield self.step_end(number - ahead)
                yield self.end(number - ahead)

    def own_sql(self, dialect: str) -> Iterator[str]:
        """The jobs in the tables of our schema: whole rows, as the recorder makes them of `end` and `step_end`, with
        what differs from one to the next counted by the database itself."""
        from slurmpy.accounting import merging

        div = "DIV" if dialect == "mysql" else "/"
        mark = "`" if dialect == "mysql" else '"'
        numbers = {
            "sqlite": f"(WITH RECURSIVE n(seq) AS (VALUES (1) UNION ALL SELECT seq + 1 FROM n WHERE seq < {self.jobs}) "
            "SELECT seq FROM n)",
            "mysql": f"(SELECT seq FROM seq_1_to_{self.jobs})",
            "postgresql": f"(SELECT generate_series(1, {self.jobs}) AS seq)",
        }[dialect]
        submit = (
            f"CASE WHEN seq <= {self.old} THEN {self.began} + seq * {self.pace} "
            f"ELSE {self.now} - 3300 + (seq - {self.old}) * 3000 {div} {self.found} END"
        )
        member = f"seq BETWEEN {self.array} AND {self.array + self.found - 1}"
        his = f"CASE WHEN seq % {self.every} = 0 THEN"
        end = self.end(1)
        length = {name: end[name] - end["submit_time"] for name in ("start_time", "end_time", "eligible_time")}
        times = {name: f"{submit} + {seconds}" for name, seconds in length.items()}
        job = merging.merge_job(None, end, "ref") | {"db_index": 0}
        step = merging.merge_step(None, self.step_end(1)) | {"db_index": 0, "job_index": 0}
        joined = "CONCAT('user', seq % 199)" if dialect == "mysql" else "'user' || (seq % 199)"
        differs = {
            "db_index": "seq", "job_id": "seq", "submit_time": submit, **times,
            "user_id": f"{his} {USER_ID} ELSE 2000 + seq % 199 END", "user_name": f"{his} '{USER}' ELSE {joined} END",
            "array_job_id": f"CASE WHEN {member} THEN {self.array} ELSE 0 END",
            "array_task_id": f"CASE WHEN {member} THEN seq - {self.array} END",
        }  # fmt: skip
        counted = {"db_index": "seq", "job_index": "seq"} | {name: times[name] for name in ("start_time", "end_time")}
        for table, row, varying in (("jobs", job, differs), ("steps", step, counted)):
            values = [varying.get(name) or _literal(value) for name, value in row.items()]
            names = ", ".join(f"{mark}{name}{mark}" for name in row)
            yield f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM {numbers} AS numbers"

    def real_sql(self, cluster: str = "ref") -> Iterator[str]:
        """The same jobs in the tables of a real slurmdbd, as its own records of such jobs look there."""
        step = f"FROM seq_1_to_{self.jobs}"
        submit = (
            f"IF(seq <= {self.old}, {self.began} + seq * {self.pace}, "
            f"{self.now} - 3300 + (seq - {self.old}) * 3000 DIV {self.found})"
        )
        user = f"IF(seq % {self.every} = 0, {USER_ID}, 2000 + seq % 199)"
        member = f"seq BETWEEN {self.array} AND {self.array + self.found - 1}"
        tres, allocated = "1=1,2=10,4=1,5=1", "1=1,2=10,3=18446744073709551614,4=1,5=1"
        yield (
            f"INSERT INTO {cluster}_job_table (job_db_inx, mod_time, account, cpus_req, env_hash_inx, flags, job_name,"
            " id_assoc, id_array_job, id_array_task, id_job, id_qos, id_resv, id_wckey, id_user, id_group, het_job_id,"
            " het_job_offset, state_reason_prev, mem_req, nodelist, nodes_alloc, node_inx, `partition`, priority,"
            " state, timelimit, time_submit, time_eligible, time_start, time_end, work_dir, std_in, std_out,"
            " submit_line, tres_alloc, tres_req)"
            f" SELECT seq, {submit} + 61, 'root', 1, 0, 20, 'wrap', 2, IF({member}, {self.array}, 0),"
            f" IF({member}, seq - {self.array}, 4294967294), seq, 1, 0, 0, {user}, 100, 0, 4294967294, 0, 10, 'vm', 1,"
            f" '0', 'debug', 1, 3, 4294967295, {submit}, {submit}, {submit} + 1, {submit} + 61, '/home/user',"
            f" '/dev/null', '/dev/null', '{_LINE}', '{allocated}', '{tres}' {step}"
        )
        usage = "'1=2,2=1048576,7=2097152,8=3'"
        place, task = "'1=0,2=0,7=0,8=0'", "'1=0,2=0,7=0,8=0'"
        yield (
            f"INSERT INTO {cluster}_step_table (job_db_inx, id_step, nodelist, nodes_alloc, node_inx, state, step_name,"
            " task_cnt, time_start, time_end, user_usec, sys_usec, tres_alloc, tres_usage_in_ave, tres_usage_in_max,"
            " tres_usage_in_max_taskid, tres_usage_in_max_nodeid, tres_usage_in_min, tres_usage_in_min_taskid,"
            " tres_usage_in_min_nodeid, tres_usage_in_tot)"
            f" SELECT seq, -5, 'vm', 1, '0', 3, 'batch', 1, {submit} + 1, {submit} + 61, 397, 1935, '1=1,2=10,4=1',"
            f" {usage}, {usage}, {task}, {place}, {usage}, {task}, {place}, {usage} {step}"
        )


class Slurmdbd:
    """Ours in the directory `place`; `storage`: further lines of slurmdbd.conf (default: SQLite in that directory)."""

    def __init__(self, place: str, storage: str = "") -> None:
        import pwd

        self.place, self.process = place, None
        storage = storage or f"StorageLoc={place}/accounting.db"
        with open(f"{place}/slurm.conf", "w") as file:
            file.write(SLURM_CONF.format(place=place))
        with open(os.open(f"{place}/slurmdbd.conf", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            user = pwd.getpwuid(os.geteuid()).pw_name
            file.write(SLURMDBD_CONF.format(place=place, user=user, storage=storage))

    process: subprocess.Popen[bytes] | None

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": f"{self.place}/slurm.conf", "PATH": f"{BIN}:{os.environ['PATH']}"}

    def start(self) -> None:
        """Returns when it answers."""
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [f"{BIN}/slurmdbd", "-D"],
            env={**os.environ, **self.environment, "SLURMPY_READY_FD": str(writer)},
            pass_fds=(writer,),
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        said = os.read(reader, 100)
        os.close(reader)
        if not said:
            raise RuntimeError(f"slurmdbd did not start, see {self.place}/slurmdbd.log")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None

    def work(self, *words: str) -> dict[str, float]:
        """Runs this file as a program; what it prints, as numbers by name."""
        argv = [sys.executable, os.path.abspath(__file__), self.place, *words]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}

    def cpu_seconds(self) -> float:
        assert self.process is not None
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self, reset: bool = False) -> float:
        """The largest resident size, since the last `reset`."""
        assert self.process is not None
        with open(f"/proc/{self.process.pid}/status") as file:
            found = next(line for line in file if line.startswith("VmHWM:"))
        if reset:
            with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
                file.write("5")
        return int(found.split()[1]) / 1024


# ---- the process that fills


def _literal(value: int | float | str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _fill(place: str, plan: Plan) -> float:
    """Seconds. The database's own figures of how its values are spread are made, as it would have made them by then."""
    from slurmpy.accounting import storage
    from slurmpy.conf import slurmdbd_conf

    engine = storage.connectable(slurmdbd_conf.load(f"{place}/slurmdbd.conf"))
    began = time.perf_counter()
    with engine.begin() as connection:
        for statement in plan.own_sql(engine.dialect.name):
            connection.exec_driver_sql(statement.replace("%", "%%") if engine.dialect.name != "sqlite" else statement)
    return time.perf_counter() - began


def _send(place: str, items: Iterator[dict[str, Any]]) -> tuple[int, float]:
    """Items sent and seconds. As slurmctld: a batch goes when the one before is confirmed."""
    from itertools import islice

    from slurmpy.conf import slurm_conf
    from slurmpy.rpc.cluster import Cluster

    service = Cluster(slurm_conf.load(f"{place}/slurm.conf"), "benchmark").slurmdbd
    register = {"cluster": "ref", "host": "127.0.0.1", "port": 7117, "nodes": "vm", "tres_types": (), "time": 0}
    service.call("register_controller", {**register, "tres": "cpu=32,mem=16000,node=1,billing=32"})
    first, began, making = 1, time.perf_counter(), 0.0
    while True:
        before = time.perf_counter()
        batch = tuple(islice(items, BATCH))
        making += time.perf_counter() - before
        if not batch:
            break
        service.call("records", {"cluster": "ref", "first_seq": first, "items": batch})
        first += len(batch)
    return first - 1, time.perf_counter() - began - making


def main() -> int:
    place, verb = sys.argv[1:3]
    jobs = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    if verb == "register":
        _, seconds = _send(place, iter(()))
    elif verb == "fill":
        seconds = _fill(place, Plan(jobs, int(sys.argv[4])))
    else:
        plan = Plan(jobs, int(time.time()), int(sys.argv[5]) if len(sys.argv) > 5 else 0)
        _, seconds = _send(place, plan.told(sys.argv[4] == "1"))
    print("jobs", jobs)
    print("seconds", seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
