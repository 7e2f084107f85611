"""``--json`` and ``--yaml`` of every command: the parser version, the meta block, the document to standard output.

A command asks `check` first; then it writes what `dump` (the daemon's own document), `records` (a document around
records that the command has) or `single` yields.
"""

from __future__ import annotations

import os
import sys

from . import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from ..conf.slurm_conf import SlurmConf
    from ..data_parser.plugin import Plugin
    from ..rpc.cluster import Service

_MIME = {"json": "application/json", "yaml": "application/x-yaml"}
#: commands that report an unknown parser and yet succeed
_FORGIVING = ("sacct",)


def check(command: str, encoding: str, parser: str) -> int | None:
    """The exit code, if the option's value ends the command (``list``, or a version that there is not); else None."""
    from ..data_parser import parser_flags, registry

    if parser == "list":
        errors.write(sys.stderr, "Possible data_parser plugins:\n")
        errors.write(sys.stdout, "".join(f"data_parser/{version}\n" for version in registry.VERSIONS))
        return 0
    if not parser:
        return None
    version, words = registry.version_of(parser), parser_flags.split(parser)[1]
    refused: tuple[str, ...]
    if "," in parser:
        refused = (f"data_parser_g_new: rejecting ambiguous plugin {parser}",)
    elif parser.startswith("+"):
        refused = ("data_parser_g_new: unable to find plugin ",)
    elif version not in registry.VERSIONS or len(parser) > registry.MAX_NAME:
        refused = (
            f"load_plugins: unable to find plugin: data_parser/{version}",
            "data_parser_g_new: failure loading plugins: Plugin has invalid format or unable to be loaded",
        )
    else:
        for note in parser_flags.notes(version, words):
            errors.report(command, note, "")
        return None
    for message in (*refused, f"{_MIME[encoding]} output not supported by data_parser/{registry.DEFAULT}"):
        errors.report(command, message)
    return 0 if command in _FORGIVING else 1


def meta(conf: SlurmConf, command: str, words: Sequence[str]) -> dict[str, Any]:
    """The document's meta block. ``words`` are the arguments; of scontrol, the operands alone.

    As in Slurm the last word is left out, and sacctmgr tells none.
    """
    if command == "sacctmgr":
        told: list[str] = []
    elif command == "scontrol":
        told = list(words)[:-1]
    else:
        told = [command, *words][:-1]
    return {
        "command": told,
        "user": _name("pwd", os.getuid()),
        "group": _name("grp", os.getgid()),
        "cluster": str(conf.ClusterName or ""),
        "accounting_storage": str(conf.AccountingStorageType or ""),
    }


def _name(database: str, number: int) -> str:
    from importlib import import_module

    module = import_module(database)
    try:
        entry = module.getpwuid(number) if database == "pwd" else module.getgrgid(number)
    except KeyError:
        return str(number)
    return str(entry[0])


def dump(
    cluster: Any,
    command: str,
    argv: Sequence[str],
    what: str,
    where: dict[str, Any] | None,
    encoding: str,
    parser: str = "",
    service: Service | None = None,
    **more: Any,
) -> Iterator[bytes]:
    """The document of ``what`` as slurmctld (or another ``service``: slurmdbd) writes it, in pieces; ``more`` are
    further arguments of its method ``dump``.

    Raises SlurmError.
    """
    own = meta(cluster.conf, command, argv)
    if command == "squeue" and what == "jobs":
        own["when_empty"] = "Zero jobs to dump"
    if command == "scontrol" and what == "jobs" and (where or {}).get("job_ids"):
        own["last_update"] = 0  # as real: a job by its number is asked for without the list's time
    source = cluster if service is None else service
    yield from source.dump(what, where or {}, parser=_asked(parser), encoding=encoding, meta=own, **more)
    yield b"\n"


def records(
    conf: SlurmConf,
    command: str,
    argv: Sequence[str],
    kind: str,
    rows: Iterable[Any],
    encoding: str,
    parser: str = "",
    **values: Any,
) -> Iterator[bytes]:
    """The document of ``kind`` (a key of `data_parser.envelopes.ENVELOPES`) around records of the command's own.

    The records are taken one after the other, so their number does not matter. ``values``: ``now`` (epoch, for what is
    still going on), ``warnings``, ``errors``, ``last_update`` and so on.
    """
    from ..data_parser import registry, stream

    plugin = _with_kind(registry.get(parser), command, kind)
    yield from stream.document(plugin, kind, rows, encoding=encoding, meta=meta(conf, command, argv), **values)
    yield b"\n"


def single(
    conf: SlurmConf, command: str, argv: Sequence[str], kind: str, encoding: str, parser: str = "", **values: Any
) -> Iterator[bytes]:
    """The document of ``kind`` around one object or short lists, given by the envelope's field names."""
    from ..data_parser import registry, stream

    plugin = _with_kind(registry.get(parser), command, kind)
    yield stream.whole(plugin, kind, encoding=encoding, meta=meta(conf, command, argv), **values) + b"\n"


def has(parser: str, kind: str) -> bool:
    """Whether a version has documents of that kind; the oldest have few."""
    from ..data_parser import registry

    return kind in registry.get(parser).envelopes


def _with_kind(plugin: Plugin, command: str, kind: str) -> Plugin:
    if kind not in plugin.envelopes:
        raise errors.Stop(1, err=f"{command}: error: {plugin.version} has no document of this\n")
    return plugin


def write(pieces: Iterable[bytes]) -> int:
    """Writes all pieces to standard output, whatever stands in Python's own buffer first; returns 0."""
    sys.stdout.flush()
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(1, view) :]
    return 0


def _asked(parser: str) -> str:
    from ..data_parser import registry

    return parser.removeprefix("data_parser/") or registry.DEFAULT
