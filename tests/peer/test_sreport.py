"""sreport beside the real one, over the same books: what each prints of the hours that are over, byte by byte.

``SLURMPY_PEER`` says how a command of the real one is started, ``SLURMPY_PEER_SQL`` how statements get into its
database (``mysql DATABASE``): jobs of the last days cannot be had otherwise. The cluster is called ref and new, and
both its slurm.conf and its slurmdbd.conf have TrackWCKey. Left out are jobs=, whose last number real sreport drops, and
nodes=, which it looks for among the nodes that the cluster registered.
"""

import itertools
import os
import shlex
import subprocess
import time

import pytest

from slurmpy.cli import import_slurmdbd, sacctmgr, sreport
from tests.accounting.dbd import running

PEER, SQL = os.environ.get("SLURMPY_PEER", ""), os.environ.get("SLURMPY_PEER_SQL", "")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER, reason="SLURMPY_PEER does not say how a real Slurm's commands are started"),
    pytest.mark.skipif(not SQL, reason="SLURMPY_PEER_SQL does not say how its database is reached"),
    pytest.mark.xdist_group("peer"),
]
HOUR, DAY = 3600, 86400
#: users of every system, with their numbers, and their accounts
USERS = (("sys", "physics"), ("bin", "physics"), ("bin", "chem"), ("daemon", "astro"))
NUMBERS = {"daemon": 1, "bin": 2, "sys": 3}
TRES = "1=32,2=16000,3=0,4=8,5=32,6=0,7=0,8=0,1001=0,1002=0,1003=0"
NAMES = {"1": "cpu", "2": "mem", "3": "energy", "4": "node", "5": "billing", "6": "fs/disk", "7": "vmem", "8": "pages",
         "1001": "gres/gpu", "1002": "gres/gpumem", "1003": "gres/gpuutil"}  # fmt: skip


def named(tres: str) -> str:
    return ",".join(f"{NAMES[one]}={count}" for one, _, count in (part.partition("=") for part in tres.split(",")))


def real(*words: str, check: bool = True) -> tuple[int, str, str]:
    done = subprocess.run(
        [*shlex.split(PEER), "env", "TZ=UTC", *words], capture_output=True, text=True, timeout=60, cwd="/", check=check
    )
    return done.returncode, done.stdout, done.stderr


def sql(text: str) -> str:
    client = [*shlex.split(SQL), "-N"]
    done = subprocess.run(client, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def jobs(zero: int) -> list[tuple[str, str, str, int, int, int, int]]:
    """(user, account, WCKey, CPUs, submitted, started, ended) of three days before `zero`, a midnight."""
    found = []
    for number, (user, account), wckey, cpus, length in zip(
        range(60), itertools.cycle(USERS), itertools.cycle(("w1", "w2", "w1")), itertools.cycle((1, 2, 3, 5)),
        itertools.cycle((17, 600, 3600, 5401, 9000, 12_000)), strict=False,
    ):  # fmt: skip
        start = zero - 3 * DAY + 3 * DAY * number // 70
        found.append((user, account, wckey, cpus, start - 61 * (number % 4), start, start + length))
    return found


def seeded(zero: int) -> None:
    """The real cluster's books as they would be had it run `jobs`."""
    for words in (
        "add qos high",
        "add account physics description=d organization=o",
        "add account chem parent=physics description=d organization=o",
        "add account astro description=d organization=o",
        *(f"add user {user} account={account}" for user, account in USERS),
        *(f"add user {user} account=astro wckey=w1,w2" for user in NUMBERS),
    ):
        real("sacctmgr", "-i", *words.split(), check=False)
    assocs = {(one[1], one[2]): one[0] for one in (row.split("\t") for row in sql(
        "select id_assoc, user, acct from ref_assoc_table where deleted=0;").splitlines())}  # fmt: skip
    keys = {(one[1], one[2]): one[0] for one in (row.split("\t") for row in sql(
        "select id_wckey, user, wckey_name from ref_wckey_table;").splitlines())}  # fmt: skip
    statements = [
        "delete from ref_job_table; delete from ref_step_table; delete from ref_event_table where node_name!='';",
        f"update ref_event_table set time_start={zero - 10 * DAY}, tres='{TRES}' where node_name='' and time_end=0;",
    ]
    for number, (user, account, wckey, cpus, submit, start, end) in enumerate(jobs(zero), 100):
        tres = f"1={cpus},2={cpus * 100},4=1,5={cpus}"
        values = {
            "job_db_inx": number, "mod_time": end, "account": f"'{account}'", "cpus_req": cpus, "job_name": "'j'",
            "id_assoc": assocs[user, account], "id_job": number, "id_resv": 0, "id_qos": 1,
            "id_wckey": keys[user, wckey], "id_user": NUMBERS[user], "id_group": 100, "het_job_id": 0,
            "het_job_offset": 4294967294, "state_reason_prev": 0, "nodes_alloc": 1, "nodelist": "'n1'",
            "`partition`": "'debug'", "priority": 1, "state": 3, "timelimit": 60, "time_submit": submit,
            "time_eligible": submit, "time_start": start, "time_end": end, "wckey": f"'{wckey}'",
            "tres_alloc": f"'{tres}'", "tres_req": f"'{tres}'",
        }  # fmt: skip
        statements.append(
            f"insert into ref_job_table ({', '.join(values)}) values ({', '.join(map(str, values.values()))});"
        )
    for start, end, cpus in (DOWN[0] + (8,), DOWN[1] + (16,)):
        statements.append(
            "insert into ref_event_table (time_start, time_end, node_name, reason, state, tres) values "
            f"({zero + start}, {zero + end}, 'n{cpus}', 'x', 1, '1={cpus},2=4000,4=1,5={cpus}');"
        )
    for kind, period in itertools.product(("", "assoc_", "qos_", "wckey_"), ("hour", "day", "month")):
        statements.append(f"delete from ref_{kind}usage_{period}_table;")
    before = zero - 8 * DAY
    statements.append(
        f"update ref_last_ran_table set hourly_rollup={before}, daily_rollup={before}, monthly_rollup={before};"
    )
    sql("\n".join(statements))
    real("sacctmgr", "-i", "rollup")


DOWN = ((-2 * DAY, -2 * DAY + 7 * HOUR), (-DAY - 1800, -DAY + 1800))

REPORTS = (
    "cluster accountutilizationbyuser", "cluster accountutilizationbyqos", "cluster userutilizationbyaccount",
    "cluster userutilizationbywckey", "cluster wckeyutilizationbyuser", "cluster utilization", "job sizesbyaccount",
    "job sizesbyaccountandwckey", "job sizesbywckey", "user topusage", "reservation utilization",
)  # fmt: skip
WHOLE = "start={day3} end={day0}"
OPTIONS = (
    "", "-P", "-p", "-n", "-t hours", "-t hourper", "-t minper -P", "-t seconds", "-t secper", "-t percent",
    "-T cpu,mem", "-T all -P", "-T billing -t hours", "-a", "-M ref", "-l -n -P",
)  # fmt: skip
MORE = (
    "start={day2} end={day1}", "start={hour5} end={hour2}", "start={hour2}", "start={day3} end={hour2} users=sys",
    "start={day3} end={day0} accounts=physics", "start={day3} end={day0} accounts=chem,astro",
    "start={day3} end={day0} users=bin,daemon", "start={day3} end={day0} wckeys=w1",
    "start={day3} end={day0} tree", "start={day3} end={day0} cluster=ref", "start={day3} end={day0} nosuch=x",
    "start={day3} end={day0} format=cluster", "start={day3} end={day0} format=account,used", "start=nonsense", "",
    "start={day3} end={day0} format=cluster,used%20", "start={day0} end={day3}",
    "start={day3} end={day0} format=nosuch",
)  # fmt: skip
OTHERS = (
    "job sizesbyaccount {whole} grouping=2,4,8", "job sizesbyaccount {whole} grouping=individual",
    "job sizesbyaccount {whole} flatview", "job sizesbyaccount {whole} printjobcount",
    "job sizesbyaccount {whole} acctasparent", "job sizesbyaccount {whole} accounts=physics",
    "job sizesbyaccount {whole} accounts=physics acctasparent", "job sizesbyaccount {whole} users=bin",
    "job sizesbyaccount {whole} gid=100", "job sizesbyaccount {whole} grouping=foo",
    "job sizesbyaccount {whole} partition=debug", "job sizesbyaccountandwckey {whole} wckeys=w2",
    "job sizesbywckey {whole} printjobcount", "job sizesbywckey {whole} wckeys=w1 grouping=4", "job sizes",
    "user top {whole} topcount=1", "user top {whole} topcount=2 group", "user top {whole} group",
    "user top {whole} topcount=x", "user topusage {whole} accounts=physics", "cluster nosuch", "cluster", "job",
    "user nosuch", "reservation", "nosuch x", "cluster util {whole} names=ref",
    "cluster utilization {whole} format=tresname,allocated,idle,reported,tres",
    "cluster utilization {whole} format=down,plannedd,planned,overcommitted,count",
    "reservation utilization {whole} names=x", "reservation utilization {whole} nodes=n1",
    "cluster accountutilizationbyuser {whole} format=login,proper,energy",
    "cluster accountutilizationbyqos {whole} qos=normal", "cluster accountutilizationbyqos {whole} qos=nosuch",
    "cluster accountutilizationbyqos {whole} qos=nosuch,high,x", "cluster accountutilizationbyqos {whole} qos=HIGH",
    "cluster accountutilizationbyqos {whole} accounts=physics tree",
    "cluster accountutilizationbyqos {whole} tree users=bin",
    "cluster accountutilizationbyqos {whole} accounts=chem users=bin",
    "cluster userutilizationbyaccount {whole} qos=high",
    "cluster accountutilizationbyuser {whole} tree accounts=physics",
    "cluster accountutilizationbyuser {whole} qos=nosuch",
    "cluster accountutilizationbyuser {whole} tree accounts=chem,astro", "user top {whole} qos=high",
    "cluster accountutilizationbyuser {whole} tree users=bin,daemon", "cluster utilization {whole} qos=high",
    "-t nosuch cluster utilization {whole}", "-T nosuch cluster utilization {whole}",
    "-T cpu,node cluster utilization {whole}", "-T node user top {whole}",
    "-T Node cluster utilization {whole} nosuch=x", "-M nosuch cluster utilization {whole}",
    "-Q cluster utilization {whole}", "-a -M ref cluster utilization", "--nosuch", "time", "time hours", "quiet",
    "parsable",
)  # fmt: skip


def lines(zero: int) -> list[str]:
    def stamp(at: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))

    places = {f"day{number}": stamp(zero - number * DAY) for number in range(4)}
    places |= {f"hour{number}": stamp(int(time.time()) // HOUR * HOUR - number * HOUR) for number in (2, 5)}
    whole = WHOLE.format(**places)
    found = [f"{options} {report} {whole}" for report in REPORTS for options in OPTIONS]
    found.remove(f"-T all -P cluster utilization {whole}")  # its line of nodes, of which Slurm keeps no sum
    found += [f"-P -t seconds {report} {more.format(**places)}" for report in REPORTS for more in MORE]
    return found + [one.format(whole=whole) for one in OTHERS]


def test_every_line_is_answered_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    zero = int(time.time()) // DAY * DAY
    seeded(zero)
    dump, text = tmp_path / "ref.cfg", tmp_path / "sacct.txt"
    dump.write_text(
        real("sh", "-c", "f=$(mktemp -u) && sacctmgr dump ref file=$f >/dev/null 2>&1; cat $f; rm -f $f")[1]
    )
    text.write_text(real("sacct", "-a", "-D", "-P", "-S", "2020-01-01", "--format=ALL")[1])
    (tmp_path / "books").mkdir()
    different = []
    with running(tmp_path / "books") as daemon:
        items = [{"kind": "cluster_tres", "time": zero - 10 * DAY, "tres": named(TRES), "nodes": "n1"}]
        for (start, end), cpus in zip(DOWN, (8, 16), strict=True):
            items.append({"kind": "node_down", "node": f"n{cpus}", "start": zero + start, "end": zero + end, "state": 1,
                          "reason": "x", "user_id": 0, "user_name": "root",
                          "tres": f"cpu={cpus},mem=4000,node=1,billing={cpus}"})  # fmt: skip
        assert daemon.run(sacctmgr, ["-i", "add", "qos", "high"])[0] == 0  # in no association, and so in no dump
        import_slurmdbd.run([str(dump), str(text)], daemon.cluster, write=lambda said: None)
        gres = ("gres/gpu", "gres/gpumem", "gres/gpuutil")
        daemon.call("register_controller", cluster="ref", host="127.0.0.1", port=7117, tres=named(TRES), nodes="n1",
                    tres_types=gres, time=zero - 10 * DAY)  # fmt: skip
        daemon.call("records", cluster="ref", first_seq=1, items=tuple(items))
        found = lines(zero)
        for line in found:
            ours, theirs = daemon.run(sreport, line.split()), real("sreport", *line.split(), check=False)
            if ours != theirs:
                different.append((line, theirs, ours))
    report = "\n".join(
        f"=== {line}\n--- real {theirs[0]}\n{theirs[1]}{theirs[2]}--- ours {ours[0]}\n{ours[1]}{ours[2]}"
        for line, theirs, ours in different
    )
    if place := os.environ.get("SLURMPY_PEER_REPORT"):
        with open(place, "w") as file:
            file.write(f"{len(found) - len(different)} of {len(found)} the same\n{report}")
    assert not report, f"{len(different)} of {len(found)} differ\n{report[:20_000]}"
