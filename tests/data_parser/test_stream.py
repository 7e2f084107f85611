"""Streaming: fragments are kept until a record changes, times that grow are not, memory stays flat."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from slurmpy.core.errors import SlurmError
from slurmpy.core.records.cluster import PartitionInfo
from slurmpy.core.records.job import JobInfo, StepInfo
from slurmpy.data_parser import registry, stream


class Job(JobInfo):
    _version: int = 0


def _document(records: Any, cache: stream.FragmentCache | None = None, **more: Any) -> Any:
    plugin = registry.get()
    return json.loads(b"".join(stream.document(plugin, "jobs", records, cache=cache, **more)))


def test_a_fragment_is_kept_until_the_record_changes() -> None:
    cache = stream.FragmentCache()
    job = Job(job_id=1, name="one")
    assert _document([job], cache)["jobs"][0]["name"] == "one"
    job.name = "unannounced"
    assert _document([job], cache)["jobs"][0]["name"] == "one"
    job._version += 1
    assert _document([job], cache)["jobs"][0]["name"] == "unannounced"
    text = b"".join(stream.document(registry.get(), "jobs", [job], cache=cache, encoding="yaml"))
    assert yaml.safe_load(text)["jobs"][0]["name"] == "unannounced"


def test_the_cache_forgets_records_that_are_gone_and_keeps_its_budget() -> None:
    cache = stream.FragmentCache(budget=50_000)
    jobs = [Job(job_id=number, name=f"n{number}") for number in range(1, 40)]
    for _ in range(2):
        found = _document(jobs, cache)["jobs"]
        assert [job["job_id"] for job in found] == list(range(1, 40))
        assert 30_000 < cache.used <= 50_000
    jobs[0]._version = 1
    jobs[0].name = "longer than before"
    assert _document(jobs, cache)["jobs"][0]["name"] == "longer than before"
    jobs.clear()
    del found
    gc.collect()
    assert cache.used == 0
    assert _document([Job(job_id=77)], cache)["jobs"][0]["job_id"] == 77


def test_running_time_is_that_of_the_dump_cache_or_not() -> None:
    cache = stream.FragmentCache()
    step = StepInfo(job_id=3, step_id=0, start_time=1000)
    for now in (1010, 1250):
        pieces = stream.document(registry.get(), "steps", [step], cache=cache, now=now, last_update=now)
        document = json.loads(b"".join(pieces))
        assert document["steps"][0]["time"]["running"]["number"] == now - 1000
        assert document["last_update"]["number"] == now


def test_many_jobs_take_no_memory() -> None:
    def jobs() -> Iterator[JobInfo]:
        for number in range(3000):
            yield JobInfo(job_id=number, name="x" * 50)

    list(stream.document(registry.get(), "jobs", [JobInfo()]))  # what is compiled once does not count
    tracemalloc.start()
    total = 0
    sizes = []
    for piece in stream.document(registry.get(), "jobs", jobs()):
        total += len(piece)
        sizes.append(len(piece))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 15_000_000
    assert max(sizes) < 200_000
    assert peak < 3_000_000


def test_nothing_warns_where_slurm_does() -> None:
    document = _document([], when_empty="Zero jobs to dump", last_update=5)
    assert document["jobs"] == []
    assert document["warnings"] == [{"description": "Zero jobs to dump", "source": ""}]
    assert document["last_update"] == {"set": True, "infinite": False, "number": 5}
    assert list(document) == ["jobs", "last_backfill", "last_update", "meta", "errors", "warnings"]


def test_answer_takes_over_only_what_belongs_into_meta() -> None:
    args = {"what": "partitions", "parser": "v0.0.42", "meta": {"command": ("scontrol", 7), "user": "u", "x": object()}}
    document = json.loads(b"".join(stream.answer(args, [PartitionInfo(name="p")], last_update=1)))
    assert document["meta"]["command"] == ["scontrol", "7"]
    assert document["meta"]["client"] == {"source": "", "user": "u", "group": ""}
    assert document["meta"]["plugin"]["data_parser"] == "data_parser/v0.0.42"


@pytest.mark.parametrize(
    "args",
    [{"what": "jobs", "parser": "v9.9.9"}, {"what": "jobs", "encoding": "xml"}, {"what": "nosuch"}, {"what": None}],
)
def test_answer_refuses_what_there_is_not(args: dict[str, Any]) -> None:
    with pytest.raises(SlurmError):
        stream.answer(args, [])
