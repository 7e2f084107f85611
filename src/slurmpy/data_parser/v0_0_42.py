"""data_parser/v0.0.42, the newest that Slurm 24.11 serves: which types there are."""

from __future__ import annotations

from . import jobs, nodes, partitions, reservations, steps
from .plugin import Plugin
from .types import Type

VERSION = "v0.0.42"

#: the named types, from which all others are reached
TYPES: tuple[Type, ...] = (
    jobs.JOB_INFO,
    jobs.JOB_INFO_MSG,
    nodes.NODE,
    nodes.NODES,
    partitions.PARTITION_INFO,
    partitions.PARTITION_INFO_MSG,
    reservations.RESERVATION_INFO,
    reservations.RESERVATION_INFO_MSG,
    steps.STEP_INFO,
    steps.STEP_INFO_MSG,
)


def plugin() -> Plugin:
    types = {type.name: type for type in TYPES}
    return Plugin(VERSION, types)
