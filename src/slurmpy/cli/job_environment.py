"""The environment that goes with a job: what --export lets through, and what the options add to it."""

from __future__ import annotations

import os

from .errors import Stop, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .job_options import JobOptions

#: option: (variables that tell the job of it, how its value is written there)
VARIABLES: dict[str, tuple[tuple[str, ...], Any]] = {
    "ntasks": (("SLURM_NPROCS", "SLURM_NTASKS"), str),
    "cpus-per-task": (("SLURM_CPUS_PER_TASK",), str),
    "ntasks-per-node": (("SLURM_NTASKS_PER_NODE",), str),
    "ntasks-per-socket": (("SLURM_NTASKS_PER_SOCKET",), str),
    "ntasks-per-core": (("SLURM_NTASKS_PER_CORE",), str),
    "ntasks-per-gpu": (("SLURM_NTASKS_PER_GPU",), str),
    "ntasks-per-tres": (("SLURM_NTASKS_PER_TRES",), str),
    "mem": (("SLURM_MEM_PER_NODE",), str),
    "mem-per-cpu": (("SLURM_MEM_PER_CPU",), str),
    "mem-per-gpu": (("SLURM_MEM_PER_GPU",), str),
    "cpus-per-gpu": (("SLURM_CPUS_PER_GPU",), str),
    "gpus": (("SLURM_GPUS",), str),
    "gpus-per-node": (("SLURM_GPUS_PER_NODE",), str),
    "gpus-per-socket": (("SLURM_GPUS_PER_SOCKET",), str),
    "gpus-per-task": (("SLURM_GPUS_PER_TASK",), str),
    "gpu-bind": (("SLURM_GPU_BIND",), str),
    "gpu-freq": (("SLURM_GPU_FREQ",), str),
    "tres-bind": (("SLURM_TRES_BIND",), str),
    "tres-per-task": (("SLURM_TRES_PER_TASK",), str),
    "threads-per-core": (("SLURM_THREADS_PER_CORE",), str),
    "overcommit": (("SLURM_OVERCOMMIT",), lambda _: "1"),
    "oom-kill-step": (("SLURM_OOMKILLSTEP",), str),
    "profile": (("SLURM_PROFILE",), ",".join),
    "container": (("SLURM_CONTAINER",), str),
    "container-id": (("SLURM_CONTAINER_ID",), str),
    "cpu-freq": (("SLURM_CPU_FREQ_REQ",), str),
    "hint": (("SLURM_HINT",), str),
    "dependency": (("SLURM_JOB_DEPENDENCY",), str),
    "core-spec": (("SLURM_CORE_SPEC",), str),
    "thread-spec": (("SLURM_THREAD_SPEC",), str),
    "acctg-freq": (("SLURM_ACCTG_FREQ",), str),
    "network": (("SLURM_NETWORK",), str),
    "signal": (("SLURM_SIGNAL",), None),
}


def option_variables(options: JobOptions) -> dict[str, str]:
    """What the options themselves put into the job's environment."""
    found: dict[str, str] = {}
    for option, (names, write) in VARIABLES.items():
        if option in options and write is not None:
            for name in names:
                found[name] = write(options.get(option))
    if "cpus-per-task" in options and "tres-per-task" not in options:
        found["SLURM_TRES_PER_TASK"] = f"cpu={options.get('cpus-per-task')}"
    if "distribution" in options:
        text, plane = options.get("distribution")
        found["SLURM_DISTRIBUTION"] = "plane" if plane else text
        if plane:
            found["SLURM_DIST_PLANESIZE"] = str(plane)
    if "mem-bind" in options:
        found.update(memory_binding(options.get("mem-bind"), "SLURM"))
    if "export" in options:
        found["SLURM_EXPORT_ENV"] = options.get("export")
    return found


def memory_binding(text: str, prefix: str) -> dict[str, str]:
    """``verbose,rank`` as PREFIX_MEM_BIND and its parts."""
    words = text.split(",")
    verbose = "verbose" if "verbose" in words else "quiet"
    kind, mask = "", ""
    for word in ("none", "rank", "local"):
        if word in words:
            kind = word
    for word in ("map_mem", "mask_mem"):
        at = text.find(word + ":")
        if at >= 0:
            kind, mask = word + ":", text[at + len(word) + 1 :]
    return {
        f"{prefix}_MEM_BIND": text,
        f"{prefix}_MEM_BIND_LIST": mask,
        f"{prefix}_MEM_BIND_PREFER": "prefer" if "prefer" in words else "",
        f"{prefix}_MEM_BIND_SORT": "sort" if "sort" in words else "",
        f"{prefix}_MEM_BIND_TYPE": kind,
        f"{prefix}_MEM_BIND_VERBOSE": verbose,
    }


def exported(what: str | None, env: Mapping[str, str]) -> dict[str, str]:
    """The part of `env` that --export lets through, with the variables it sets. SLURM_ and SPANK_ ones always pass.

    NIL passes none but those either; the difference to NONE, a login's environment, is made on the node.
    """
    if what is None or what.upper() == "ALL":
        return dict(env)
    kept = {name: value for name, value in env.items() if name.startswith(("SLURM_", "SPANK_"))}
    if what.upper() in ("NONE", "NIL"):
        return kept
    result = kept
    chosen: dict[str, str] = {}
    for word in split_words(what):
        name, equals, value = word.partition("=")
        if equals:
            chosen[name] = value
        elif name.upper() == "ALL":
            result = dict(env)
        elif name in env:
            chosen[name] = env[name]
    return {**result, **chosen}


def split_words(what: str) -> list[str]:
    """The words of --export: commas separate, quotes keep a comma within a value."""
    words: list[str] = []
    word, quote = "", ""
    for letter in what:
        if quote:
            if letter == quote:
                quote = ""
            else:
                word += letter
        elif letter in "'\"":
            quote = letter
        elif letter == ",":
            words.append(word)
            word = ""
        else:
            word += letter
    return [one for one in [*words, word] if one]


def from_file(name: str, program: str) -> dict[str, str]:
    """The NAME=value entries, each ended by a zero byte, of a file or of an open descriptor. Raises Stop."""
    try:
        if name.isdigit():
            with os.fdopen(os.dup(int(name)), "rb") as stream:
                data = stream.read()
        else:
            with open(name, "rb") as stream:
                data = stream.read()
    except OSError:
        raise Stop(1, err=line(program, f"Could not open user environment file {name}")) from None
    found = {}
    for entry in data.decode("utf-8", "surrogateescape").split("\0"):
        key, equals, value = entry.partition("=")
        if equals and key and not any(blank in key for blank in " \t\n"):
            found[key] = value
    return found


def as_entries(env: Mapping[str, str]) -> tuple[str, ...]:
    """``NAME=value`` words, as a descriptor carries them."""
    return tuple(f"{name}={value}" for name, value in env.items())
