"""The environment that goes with a job: what --export lets through, and what the options add to it."""

from __future__ import annotations

import os

from .errors import Stop, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .job_options import JobOptions

#: option: (programs that tell the job of it: b sbatch, a salloc, r srun; the variables; how its value is written)
VARIABLES: dict[str, tuple[str, tuple[str, ...], Any]] = {
    "ntasks": ("bar", ("SLURM_NPROCS", "SLURM_NTASKS"), str),
    "cpus-per-task": ("bar", ("SLURM_CPUS_PER_TASK",), str),
    "ntasks-per-node": ("bar", ("SLURM_NTASKS_PER_NODE",), str),
    "ntasks-per-socket": ("bar", ("SLURM_NTASKS_PER_SOCKET",), str),
    "ntasks-per-core": ("bar", ("SLURM_NTASKS_PER_CORE",), str),
    "ntasks-per-gpu": ("bar", ("SLURM_NTASKS_PER_GPU",), str),
    "ntasks-per-tres": ("bar", ("SLURM_NTASKS_PER_TRES",), str),
    "mem": ("bar", ("SLURM_MEM_PER_NODE",), str),
    "mem-per-cpu": ("bar", ("SLURM_MEM_PER_CPU",), str),
    "mem-per-gpu": ("bar", ("SLURM_MEM_PER_GPU",), str),
    "cpus-per-gpu": ("bar", ("SLURM_CPUS_PER_GPU",), str),
    "gpus": ("bar", ("SLURM_GPUS",), str),
    "gpus-per-node": ("bar", ("SLURM_GPUS_PER_NODE",), str),
    "gpus-per-socket": ("bar", ("SLURM_GPUS_PER_SOCKET",), str),
    "gpus-per-task": ("bar", ("SLURM_GPUS_PER_TASK",), str),
    "gpu-freq": ("bar", ("SLURM_GPU_FREQ",), str),
    "tres-bind": ("bar", ("SLURM_TRES_BIND",), str),
    "gpu-bind": ("bar", ("SLURM_TRES_BIND",), "gres/gpu:{}".format),
    "tres-per-task": ("bar", ("SLURM_TRES_PER_TASK",), str),
    "threads-per-core": ("bar", ("SLURM_THREADS_PER_CORE",), str),
    "overcommit": ("bar", ("SLURM_OVERCOMMIT",), lambda _: "1"),
    "profile": ("ba", ("SLURM_PROFILE",), ",".join),
    "container": ("bar", ("SLURM_CONTAINER",), str),
    "container-id": ("ar", ("SLURM_CONTAINER_ID",), str),
    "cpu-freq": ("br", ("SLURM_CPU_FREQ_REQ",), str),
    "dependency": ("br", ("SLURM_JOB_DEPENDENCY",), str),
    "core-spec": ("b", ("SLURM_CORE_SPEC",), str),
    "thread-spec": ("b", ("SLURM_THREAD_SPEC",), str),
    "acctg-freq": ("b", ("SLURM_ACCTG_FREQ",), str),
    "network": ("r", ("SLURM_NETWORK",), str),
}
LETTERS = {"sbatch": "b", "salloc": "a", "srun": "r", "scrun": "r"}


def option_variables(options: JobOptions) -> dict[str, str]:
    """What the options themselves put into the job's environment."""
    found: dict[str, str] = {}
    letter = LETTERS[options.at.program]
    for option, (programs, names, write) in VARIABLES.items():
        if letter in programs and option in options:
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
        binding = memory_binding(options.get("mem-bind"))
        found.update(binding if letter != "b" else {name: binding[name] for name in BATCH_BINDING})
    if letter == "b" and options.get("export", "").upper() in ("NONE", "NIL"):
        found["SLURM_EXPORT_ENV"] = options.get("export")
    return found


#: of the binding to memory, what a batch script is told
BATCH_BINDING = ("SLURM_MEM_BIND", "SLURM_MEM_BIND_VERBOSE")


def memory_binding(text: str) -> dict[str, str]:
    """``verbose,rank`` as SLURM_MEM_BIND and its parts."""
    words = [word for word in text.split(",") if word not in ("verbose", "quiet")]
    loud = "verbose" if text.startswith("verbose") else "quiet"
    kind, mask = "", ""
    for word in words:
        if word in ("none", "rank", "local"):
            kind = word
    for word in ("map_mem", "mask_mem"):
        at = text.find(word + ":")
        if at >= 0:
            kind, mask = word + ":", text[at + len(word) + 1 :]
    found = {
        "SLURM_MEM_BIND": ",".join([loud, *words]),
        "SLURM_MEM_BIND_LIST": mask,
        "SLURM_MEM_BIND_TYPE": kind,
        "SLURM_MEM_BIND_VERBOSE": loud,
    }
    for word in ("prefer", "sort"):
        if word in words:
            found[f"SLURM_MEM_BIND_{word.upper()}"] = word
    return found


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
