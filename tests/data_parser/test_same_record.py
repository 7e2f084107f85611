"""Whatever a record holds, each version's document of it leads back to itself, and its text says the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmpy.core.records import accounting, cluster
from slurmpy.core.records.base import INFINITE, Record
from slurmpy.core.records.job import JobInfo, StepInfo
from slurmpy.core.states import JobState
from slurmpy.data_parser import registry, reservations, slurmdb_accounts, slurmdb_jobs
from slurmpy.data_parser.kinds import ACCT_GATHER_PROFILE, JOB_FLAGS, JOB_MAIL_FLAGS

from .test_roundtrip import _as_yaml

VERSIONS = [version for version in registry.VERSIONS if version >= "v0.0.40"]

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
WORD = st.text("abcxyz019._-", min_size=1, max_size=6)
COUNT = st.integers(1, 2**31 - 1)
LIMIT = st.one_of(st.none(), COUNT)
TRES = st.lists(st.sampled_from(["cpu=2", "mem=100", "node=1", "gres/gpu=4"]), unique=True).map(",".join)
HOSTS = st.sampled_from(["", "n1", "n[1-3]", "n[1-3],x7"])

#: what is not any value of its kind: (class or None for all, field) -> values
OWN: dict[tuple[type[Record] | None, str], st.SearchStrategy[Any]] = {
    (None, "state"): st.sampled_from([1, 2, 0x201]),
    (None, "job_state"): st.sampled_from([0, 1, 2, 3, 5, JobState.REQUEUED, 1 | JobState.COMPLETING]),
    (None, "current_working_directory"): st.sampled_from(["/tmp", "/home/a b"]),
    **{
        (None, f"standard_{name}"): st.sampled_from(["", "/tmp/o", "a_%j.txt", "b c"])
        for name in ("input", "output", "error")
    },
    (None, "exit_code"): st.sampled_from([0, 256, 9, 137 << 8]),
    (None, "derived_exit_code"): st.sampled_from([0, 256, 15]),
    (JobInfo, "flags"): st.lists(st.sampled_from(JOB_FLAGS.choices), unique=True, max_size=3).map(
        lambda names: tuple(name for name in JOB_FLAGS.choices if name in names)
    ),
    (JobInfo, "mail_type"): st.sampled_from([(), JOB_MAIL_FLAGS.choices[:2]]),
    (JobInfo, "kill_warning_flags"): st.just(()),
    (JobInfo, "profile"): st.sampled_from([(name,) for name in ACCT_GATHER_PROFILE.choices]),
    (JobInfo, "shared"): st.sampled_from(["OK", "NO", "YES", "USER", "MCS", "TOPO"]),
    (JobInfo, "priority_by_partition"): st.lists(st.tuples(WORD, COUNT), max_size=2).map(tuple),
    (JobInfo, "job_resources"): st.none(),
    (JobInfo, "core_spec"): st.none(),
    (JobInfo, "thread_spec"): st.none(),
    (JobInfo, "array_task_string"): st.sampled_from(["", "1-3", "5"]),
    (JobInfo, "nodes"): HOSTS,
    (None, "billable_tres"): st.one_of(st.none(), st.integers(0, 1000).map(float)),
    (cluster.NodeInfo, "state"): st.sampled_from([2, 1, 3 | 0x200, 2 | 0x1000]),
    (cluster.NodeInfo, "next_state_after_reboot"): st.sampled_from([None, 2, 1]),
    (cluster.PartitionInfo, "state"): st.sampled_from(["UP", "DOWN", "DRAIN", "INACTIVE"]),
    (cluster.PartitionInfo, "oversubscribe"): st.sampled_from(["NO", "YES:4", "FORCE:2", "EXCLUSIVE"]),
    (cluster.PartitionInfo, "preempt_mode"): st.sampled_from(["", "OFF", "CANCEL", "REQUEUE"]),
    (cluster.ReservationInfo, "flags"): st.lists(
        st.sampled_from(reservations.RESERVATION_FLAGS.choices), unique=True, max_size=3
    ).map(tuple),
    (cluster.ReservationInfo, "core_specializations"): st.lists(st.tuples(WORD, WORD), max_size=2).map(tuple),
    (accounting.Account, "flags"): st.sampled_from([(), ("DELETED",)]),
    (accounting.User, "flags"): st.sampled_from([(), ("DELETED",)]),
    (accounting.User, "administrator_level"): st.sampled_from(["None", "Operator", "Administrator"]),
    (accounting.Association, "flags"): st.sampled_from([(), ("DELETED",)]),
    (accounting.Cluster, "flags"): st.sampled_from([(), ("FEDERATION",)]),
    (accounting.Qos, "flags"): st.lists(
        st.sampled_from(tuple(slurmdb_accounts.QOS_FLAG_NAMES.values())), unique=True, max_size=3
    ).map(tuple),
    (accounting.Qos, "preempt_mode"): st.sampled_from(["", "cancel", "requeue"]),
    (accounting.DbJob, "flags"): st.sampled_from([(), slurmdb_jobs.SLURMDB_JOB_FLAGS.choices[3:5]]),
    (accounting.DbJob, "steps"): st.just(()),
    (accounting.DbJob, "nodes"): HOSTS,
    (accounting.DbStep, "nodes"): HOSTS,
    (accounting.DbStep, "step_het_comp"): st.none(),
    (accounting.DbStep, "step_id"): st.integers(0, 100),
    (StepInfo, "step_id"): st.integers(0, 100),
    (StepInfo, "step_het_comp"): st.none(),
    (StepInfo, "tasks_per_node"): st.just(()),
    (StepInfo, "state"): st.sampled_from([1, 2]),
}
#: fields that two other ones make up, so that both at once are no record: at most one of each group is given
EITHER = (
    ("def_mem_per_cpu", "def_mem_per_node"),
    ("max_mem_per_cpu", "max_mem_per_node"),
    ("exclusive_user", "exclusive_topo"),
)
KINDS: tuple[tuple[str, type[Record]], ...] = (
    ("job_info", JobInfo),
    ("node", cluster.NodeInfo),
    ("partition_info", cluster.PartitionInfo),
    ("reservation_info", cluster.ReservationInfo),
    ("license", cluster.LicenseInfo),
    ("step_info", StepInfo),
    ("job", accounting.DbJob),
    ("step", accounting.DbStep),
    ("account", accounting.Account),
    ("user", accounting.User),
    ("assoc", accounting.Association),
    ("qos", accounting.Qos),
    ("cluster_rec", accounting.Cluster),
    ("wckey", accounting.Wckey),
    ("instance", accounting.Instance),
    ("tres", accounting.Tres),
)


def _values(kind: type[Record], field: str, annotation: str) -> st.SearchStrategy[Any]:
    for key in ((kind, field), (None, field)):
        if key in OWN:
            return OWN[key]
    if "tres" in field and "str" in annotation and kind.__module__.endswith("accounting"):
        return TRES
    plain = annotation.removesuffix(" | None")
    found: st.SearchStrategy[Any] = {
        "str": TEXT,
        "int": COUNT,
        "bool": st.booleans(),
        "float": st.integers(0, 10**6).map(lambda number: number / 4),
        "tuple[str, ...]": st.lists(WORD, max_size=3).map(tuple),
    }[plain]
    return st.one_of(st.none(), found) if plain != annotation else found


@st.composite
def records(draw: st.DrawFn, kind: type[Record]) -> Record:
    """A few fields of a record, the others as they are by default."""
    annotations = {name: text for one in kind.__mro__ for name, text in vars(one).get("__annotations__", {}).items()}
    chosen = draw(st.lists(st.sampled_from(kind.FIELDS), unique=True, max_size=12))
    for group in EITHER:
        chosen = [name for name in chosen if name not in group or name == next(one for one in chosen if one in group)]
    return kind(**{name: draw(_values(kind, name, annotations[name])) for name in chosen})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "kind"), KINDS, ids=lambda value: value if isinstance(value, str) else "")
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_document_leads_back_to_itself(version: str, name: str, kind: type[Record], data: st.DataObject) -> None:
    plugin = registry.get(version)
    record = data.draw(records(kind))
    document = plugin.dump(name, record)
    back = plugin.parse(name, document)
    assert plugin.dump(name, back) == document
    assert json.loads(plugin.encode(name, record)) == json.loads(json.dumps(document))
    assert yaml.load(plugin.encode_yaml(name, record), yaml.CSafeLoader) == [_as_yaml(document)]


@pytest.mark.parametrize("version", VERSIONS)
@given(record=records(cluster.PartitionInfo))
@settings(max_examples=60, deadline=None)
def test_every_field_that_is_told_is_read(version: str, record: cluster.PartitionInfo) -> None:
    """In the partition's records too, of which newer versions tell more."""
    plugin = registry.get(version)
    back = plugin.parse("partition_info", plugin.dump("partition_info", record))
    told = {"name", "state", "max_time", "default_time", "qos", "priority_tier", "min_nodes", "nodes"}
    if version >= "v0.0.45":
        told |= {"hidden", "lln", "root_only", "req_resv", "default", "preempt_mode", "power_down_on_idle"}
        if record.oversubscribe != "EXCLUSIVE":
            told |= {"oversubscribe", "exclusive_user", "exclusive_topo"}
    assert {name: getattr(back, name) for name in told} == {name: getattr(record, name) for name in told}


def test_no_limit_and_not_set_are_told_apart() -> None:
    for version in VERSIONS:
        plugin = registry.get(version)
        for limit in (None, INFINITE, 5):
            job = JobInfo(job_id=1, time_limit=limit)
            assert plugin.parse("job_info", plugin.dump("job_info", job)).time_limit == limit
