"""#PBS and #BSUB lines of batch scripts, as the sbatch options they stand for (imported only for scripts with some).

As in Slurm, what has no counterpart is passed over if the other system knows it, and refused if that does not either.
"""

from __future__ import annotations

from . import batch_script
from .command import Command, Given
from .errors import Stop, line

#: #PBS letter: sbatch's long option; "": nothing corresponds; None: read by `_special`
PBS: dict[str, str | None] = {
    "-A": "account",
    "-I": "",
    "-J": "array",
    "-M": "mail-user",
    "-N": "job-name",
    "-S": "",
    "-V": "",
    "-W": None,
    "-a": "begin",
    "-c": "",
    "-d": "chdir",
    "-e": "error",
    "-h": "hold",
    "-j": "",
    "-k": "",
    "-l": None,
    "-m": None,
    "-o": "output",
    "-p": "nice",
    "-q": "partition",
    "-r": None,
    "-t": "array",
    "-u": "",
    "-v": "export",
    "-z": "",
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
    "proc": "constraint",
    "select": "nodes",
    "walltime": "time",
}
#: #BSUB option: sbatch's
BSUB: dict[str, str | None] = {
    "-J": "job-name",
    "-M": "mem-per-cpu",
    "-W": "time",
    "-c": "chdir",
    "-cwd": "chdir",
    "-e": "error",
    "-eo": "error",
    "-m": "nodelist",
    "-n": "ntasks",
    "-o": "output",
    "-oo": "output",
    "-q": "partition",
    "-x": "exclusive",
}
#: those without an argument
FLAGS = frozenset({"-h", "-I", "-V", "-z", "-x"})


def given(script: str, name: str, command: Command) -> list[Given]:
    """Occurrences of sbatch options for the script's #PBS and #BSUB lines. Raises Stop for unknown letters."""
    found = []
    for prefix, table in (("#PBS", PBS), ("#BSUB", BSUB)):
        for number, text in batch_script.directives(script, prefix):
            words = batch_script.split(text, name, number)
            while words:
                letter = words.pop(0)
                if letter not in table:
                    message = f"sbatch: invalid option -- '{letter.lstrip('-')[:1]}'\n"
                    raise Stop(1, err=message + line("sbatch", "Unrecognized command line parameter ?"))
                option = table[letter]
                value = None if letter in FLAGS else (words.pop(0) if words else "")
                if prefix == "#BSUB" and letter == "-M":
                    value = f"{value}K"
                pairs = _special(letter, value or "") if option is None else [(option, value)]
                found += [Given(command.find_long(f"--{key}"), text_, "script") for key, text_ in pairs if key]
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
            if key == "depend":
                pairs.append(("dependency", text))
        elif key in RESOURCES:
            pairs += _resource(RESOURCES[key], text)
    return pairs


def _resource(option: str, text: str) -> list[tuple[str, str | None]]:
    if option == "nodes":
        count, *properties = text.split(":")
        pairs: list[tuple[str, str | None]] = [("nodes", count)]
        for one in properties:
            if one.startswith("ppn=") and one[4:].isdigit():
                nodes = int(count) if count.isdigit() else 1
                pairs.append(("ntasks", str(nodes * int(one[4:]))))
        return pairs
    if option in ("mem", "tmp"):
        return [(option, text.lower().removesuffix("w"))]
    if option == "gres":
        return [("gres", f"gpu:{text}")]
    return [(option, text)]
