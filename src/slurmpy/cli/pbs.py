"""#PBS and #BSUB lines of batch scripts, as the sbatch options they stand for (imported only for scripts that have
some)."""

from __future__ import annotations

from . import batch_script
from .command import Command, Given
from .errors import Stop, line

#: #PBS letter: sbatch's long option; None: read by `_special`
PBS: dict[str, str | None] = {
    "-A": "account",
    "-J": "array",
    "-M": "mail-user",
    "-N": "job-name",
    "-W": None,
    "-a": "begin",
    "-e": "error",
    "-h": "hold",
    "-l": None,
    "-m": None,
    "-o": "output",
    "-p": "nice",
    "-q": "partition",
    "-r": None,
    "-t": "array",
    "-v": "export",
    "-w": "chdir",
}
#: what -l can ask for: key: option
RESOURCES = {
    "accelerator": "gres",
    "cput": "time",
    "file": "tmp",
    "mem": "mem",
    "mppdepth": "cpus-per-task",
    "mppmem": "mem",
    "mppnppn": "ntasks-per-node",
    "mppwidth": "ntasks",
    "naccelerators": "gres",
    "ncpus": "mincpus",
    "nice": "nice",
    "nodes": "nodes",
    "other": "constraint",
    "pcput": "time",
    "pmem": "mem-per-cpu",
    "proc": "constraint",
    "pvmem": "mem-per-cpu",
    "vmem": "mem",
    "walltime": "time",
}
#: #BSUB letter: option
BSUB = {
    "-J": "job-name",
    "-P": "account",
    "-W": "time",
    "-c": "time",
    "-cwd": "chdir",
    "-e": "error",
    "-eo": "error",
    "-i": "input",
    "-m": "nodelist",
    "-n": "ntasks",
    "-o": "output",
    "-oo": "output",
    "-q": "partition",
    "-w": "dependency",
    "-x": "exclusive",
}
FLAGS = frozenset({"hold", "exclusive"})


def given(script: str, name: str, command: Command) -> list[Given]:
    """Occurrences of sbatch options for the script's #PBS and #BSUB lines. Raises Stop for what has no counterpart."""
    found = []
    for prefix, table in (("#PBS", PBS), ("#BSUB", BSUB)):
        for number, text in batch_script.directives(script, prefix):
            words = batch_script.split(text, name, number)
            while words:
                letter = words.pop(0)
                if letter not in table:
                    raise Stop(1, err=line("sbatch", f"{name}: line {number}: no counterpart of {prefix} {letter}"))
                option = table[letter]
                value = None if option in FLAGS else (words.pop(0) if words else "")
                pairs = _special(letter, value or "") if option is None else [(option, value)]
                found += [Given(command.find_long(f"--{key}"), text_, "script") for key, text_ in pairs]
    return found


def _special(letter: str, value: str) -> list[tuple[str, str | None]]:
    if letter == "-m":
        kinds = {"a": "FAIL", "b": "BEGIN", "e": "END", "n": "NONE"}
        return [("mail-type", ",".join(kinds[one] for one in value if one in kinds))]
    if letter == "-r":
        return [("requeue" if value[:1].lower() == "y" else "no-requeue", None)]
    pairs: list[tuple[str, str | None]] = []
    for part in value.split(","):
        key, _, text = part.partition("=")
        if letter == "-W":
            if key in ("depend", "group_list", "umask") and key == "depend":
                pairs.append(("dependency", text))
        elif key in RESOURCES:
            pairs += _resource(key, text)
    return pairs


def _resource(key: str, text: str) -> list[tuple[str, str | None]]:
    option = RESOURCES[key]
    if key == "nodes":
        count, *properties = text.split(":")
        pairs: list[tuple[str, str | None]] = [("nodes", count)]
        pairs += [("ntasks-per-node", one[4:]) for one in properties if one.startswith("ppn=")]
        return pairs
    if option in ("mem", "mem-per-cpu", "tmp"):
        return [(option, text.lower().removesuffix("b").removesuffix("w") or text)]
    if option == "gres":
        return [("gres", f"gpu:{text}")]
    return [(option, text)]
