"""What a job holds, node by node and core by core (``job_res``).

The record has one plain dictionary (see `JobInfo.job_resources`); its document lists every core of every node, so the
lines of the cores are made once per shape and state and kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import json_text, yaml_text
from .errors import Context, ParseFailed, slurm_kind
from .kinds import BOOLEAN, CR_TYPE, INT32, INT64, UINT16
from .lists import Flags, ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING, UNSET, Reference, Type

if TYPE_CHECKING:
    from .compiler import Compiler

NODE_CR_TYPE = Flags("node_cr_type", ("AVAILABLE", "ONE_ROW", "RESERVED"))
CORE_STATUS = Flags("job_res_core_status", ("INVALID", "UNALLOCATED", "ALLOCATED", "IN_USE"))

CORE = Table("job_res_core", dict, (F("index", INT32, required=True), F("status", CORE_STATUS, required=True)))
CORES = ListOf(CORE, "job_res_core_array")
SOCKET = Table("job_res_socket", dict, (F("index", INT32, required=True), F("cores", CORES, required=True)))
SOCKETS = ListOf(SOCKET, "job_res_socket_array")


class _Sockets(Type):
    """The node's dictionary -> the list of its sockets with their cores; no way back but through `_allocation`."""

    name = SOCKETS.name

    def schema(self, reference: Reference) -> dict[str, Any]:
        return SOCKETS.schema(reference)

    def parts(self) -> tuple[Type, ...]:
        return SOCKETS.parts()

    def dump(self, value: Any) -> Any:
        held = frozenset(value["core_ids"])
        cores = value["cores_per_socket"]
        return [
            {
                "index": socket,
                "cores": [
                    {
                        "index": core,
                        "status": ["ALLOCATED" if socket * cores + core in held else "UNALLOCATED"],
                    }
                    for core in range(cores)
                ],
            }
            for socket in range(value["sockets"])
        ]

    def parse(self, document: Any, at: str, context: Context) -> Any:
        return SOCKETS.parse(document, at, context)

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        return self._cached(c, value, lambda v: json_text.write(self.dump(v), indent))

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        return self._cached(c, value, lambda v: yaml_text.write(self.dump(v), indent, column))

    def _cached(self, c: Compiler, value: str, render: Any) -> str:
        texts: dict[Any, str] = {}

        def write(node: dict[str, Any]) -> str:
            key = (node["sockets"], node["cores_per_socket"], tuple(node["core_ids"]))
            text = texts.get(key)
            if text is None:
                if len(texts) >= 2048:  # cores of big nodes come in many combinations
                    texts.clear()
                text = texts[key] = render(node)
            return text

        return f"{c.bind(write)}({value})"


NODE = Table(
    "job_res_node",
    dict,
    (
        F("index", INT32, required=True),
        F("name", STRING, required=True),
        F("cpus/count", INT32, "cpus", required=True),
        F("cpus/used", INT32, "cpus_used", required=True),
        F("memory/used", INT64, "memory_used", required=True),
        F("memory/allocated", INT64, "memory", required=True),
        F(
            "sockets",
            _Sockets(),
            get=lambda node: node,
            put=lambda values, value: _put_sockets(values, value),
            required=True,
        ),
    ),
)
NODES = ListOf(NODE, "job_res_nodes")


def _put_sockets(values: dict[str, Any], sockets: tuple[dict[str, Any], ...]) -> None:
    per_socket = max((len(socket.get("cores", ())) for socket in sockets), default=0)
    values["sockets"] = len(sockets)
    values["cores_per_socket"] = per_socket
    values["core_ids"] = tuple(
        socket.get("index", 0) * per_socket + core.get("index", 0)
        for socket in sockets
        for core in socket.get("cores", ())
        if "ALLOCATED" in core.get("status", ()) or "IN_USE" in core.get("status", ())
    )


def _allocation(resources: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        node if node.get("index") == at else {**node, "index": at} for at, node in enumerate(resources["allocation"])
    ]


def _cpus(resources: dict[str, Any]) -> int:
    return sum(node["cpus"] for node in resources["allocation"])


class _JobResources(Table):
    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if not isinstance(document, dict):
            context.error("ESLURM_DATA_EXPECTED_DICT", f"Rejecting {slurm_kind(document)} when dictionary expected", at)
            raise ParseFailed
        values = super().parse(document, at, context)
        values.setdefault("nodes", "")
        values.setdefault("whole", False)
        values.setdefault("threads_per_core", None)
        values.setdefault("allocation", ())
        return values


JOB_RES = _JobResources(
    "job_res",
    dict,
    (
        F("select_type", CR_TYPE, get=lambda resources: ("CPU",), required=True),
        F("nodes/count", INT32, get=lambda resources: len(resources["allocation"]), required=True),
        F("nodes/select_type", NODE_CR_TYPE, get=lambda resources: ("ONE_ROW",), required=True),
        F("nodes/list", STRING, "nodes", required=True),
        F("nodes/whole", BOOLEAN, "whole", required=True),
        F(
            "nodes/allocation",
            NODES,
            get=_allocation,
            put=lambda values, value: values.__setitem__("allocation", value),
            required=True,
        ),
        F("cpus", INT32, get=_cpus, required=True),
        F("threads_per_core", UINT16, required=True),
    ),
)


def held_by_socket(node: dict[str, Any]) -> dict[str, Any]:
    """The cores that a job holds on a node as older documents tell them: {socket: {"cores": {core: "allocated"}}}."""
    sockets: dict[str, Any] = {}
    for core in sorted(node.get("core_ids", ())):
        socket, within = divmod(core, max(1, node.get("cores_per_socket", 1)))
        sockets.setdefault(str(socket), {"cores": {}})["cores"][str(within)] = "allocated"
    return sockets
