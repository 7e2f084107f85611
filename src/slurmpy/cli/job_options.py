"""The options of one job (or one component of a heterogeneous job) with their values read, checked against one
another."""

from __future__ import annotations

from .errors import Stop, line
from .options.values import Bad, Reading
from .options.words import Show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .command import Command, Given

#: what a stronger origin overrides
RANK = {"script": 0, "environment": 1, "command line": 2}

#: options of which only those of the strongest origin count: (names, message if one origin gives several)
RIVALS = (
    (("mem", "mem-per-cpu", "mem-per-gpu"), "--mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive."),
    (("core-spec", "thread-spec"), "-S/--core-spec and --thred-spec options are mutually exclusive"),
)
RIVALS_IN_ENVIRONMENT = {
    "mem": "SLURM_MEM_PER_CPU, SLURM_MEM_PER_GPU, and SLURM_MEM_PER_NODE are mutually exclusive.",
}


#: what a component of a heterogeneous job takes over from the one before it
INHERITED = frozenset(
    {
        "account", "acctg-freq", "begin", "bell", "chdir", "clusters", "comment", "container", "container-id",
        "context", "deadline", "delay-boot", "dependency", "error",
        "export", "export-file", "extra", "get-user-env", "gid",
        "hold", "immediate", "input", "job-name", "jobid", "kill-command", "kill-on-invalid-dep", "mcs-label", "mem",
        "nice", "no-bell", "no-kill", "no-requeue", "no-shell", "open-mode", "output", "parsable", "priority",
        "profile", "propagate", "qos", "quiet", "reboot", "requeue", "reservation", "signal", "stepmgr", "test-only",
        "time", "time-min", "uid", "verbose", "wait", "wait-all-nodes", "wckey", "wrap",
    }
)  # fmt: skip


class JobOptions:
    """Values by option name (long, without dashes), as `options.values` reads them."""

    def __init__(self, command: Command, at: Reading) -> None:
        self.command = command
        self.at = at
        self.values: dict[str, Any] = {}
        self.rows: dict[str, Any] = {}  # by the spelling used
        self.origins: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.raw: dict[str, str | None] = {}  # the texts themselves
        self.unwanted: set[str] = set()  # listed, but without effect
        self.number = 0  # of the component that they are of

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)

    def apply(self, given: Iterable[Given]) -> None:
        """Reads occurrences in the order of their precedence. Raises Stop with Slurm's text for a wrong value."""
        for one in given:
            row = one.option
            if row.name in ("verbose", "quiet"):
                self._count(one)
                continue
            self.at.option = row.long[2:]
            try:
                value = row.read(one.value, self.at)  # type: ignore[attr-defined]
            except Show as show:
                raise Stop(show.code, out=show.out) from None
            except Bad as bad:
                raise self.stop(bad.message, bad.code, bad.level, bad.raw) from None
            except (ValueError, KeyError):
                raise self.stop(f"Invalid {row.long} specification", 255) from None
            self.raw[row.name] = one.value
            self.set(row, value, one.origin)

    def set(self, row: Any, value: Any, origin: str) -> None:
        name = row.name
        if name == "requeue" or name == "no-requeue":
            # the later of the two wins
            self.values.pop("no-requeue" if name == "requeue" else "requeue", None)
        self.values[name] = value
        self.rows["cluster" if row.long == "--cluster" else name] = row
        self.origins[name] = origin

    def _count(self, one: Given) -> None:
        name = one.option.name
        amount = 1
        if one.origin == "environment":
            amount = int(one.value) if one.value and one.value.isdigit() else 0 if one.value else 1
        elif self.origins.get(name) == "environment":
            self.counts[name] = 0
        self.counts[name] = self.counts.get(name, 0) + amount
        self.values[name] = self.counts[name]
        self.rows[name] = one.option
        self.origins[name] = one.origin

    def inherit(self, before: JobOptions) -> None:
        """Takes over what holds for the component behind `before` too, unless that says otherwise."""
        for name in INHERITED & before.values.keys():
            self.values[name] = before.values[name]
            self.raw[name] = before.raw.get(name)
            self.origins[name] = before.origins[name]
            if name in before.counts:
                self.counts[name] = before.counts[name]
        self.rows.update((key, row) for key, row in before.rows.items() if row.name in self.values)

    def twin(self) -> JobOptions:
        """The same options, to be changed without changing these."""
        other = JobOptions(self.command, self.at)
        for name in ("values", "rows", "origins", "counts", "raw"):
            setattr(other, name, dict(getattr(self, name)))
        other.unwanted = set(self.unwanted)
        other.number = self.number
        return other

    @property
    def verbose(self) -> int:
        return self.counts.get("verbose", 0)

    @property
    def quiet(self) -> int:
        return self.counts.get("quiet", 0)

    def stop(self, message: str, code: int = 1, level: str = "error", raw: str = "") -> Stop:
        """The end with `message`; of several lines the last has the level, those before it are errors."""
        *before, last = message.split("\n")
        text = "".join(line(self.command.name, part) for part in before) + line(self.command.name, last, level)
        return Stop(code, err=raw + text)

    def drop(self, name: str) -> None:
        self.values.pop(name, None)

    def check(self) -> None:
        """Options that exclude one another; raises Stop. Those of a weaker origin give way silently."""
        self._place_files()
        if self.verbose and self.quiet:
            raise self.stop("don't specify both --verbose (-v) and --quiet (-Q)", 1)
        for names, message in RIVALS:
            present = [name for name in names if name in self.values]
            if len(present) < 2:
                continue
            best = max(RANK[self.origins[name]] for name in present)
            strongest = [name for name in present if RANK[self.origins[name]] == best]
            if len(strongest) > 1:
                if best == RANK["environment"]:
                    message = RIVALS_IN_ENVIRONMENT.get(names[0], message)
                raise self.stop(message, 1, "fatal")
            for name in present:
                if name not in strongest:
                    self.drop(name)
        if "exclusive" in self and "oversubscribe" in self:
            raise self.stop("--exclusive and --oversubscribe options are mutually exclusive", 1, "fatal")
        self._weigh_task_tres()
        per_task = self.get("tres-per-task", "")
        if "cpu=" in per_task and "cpus-per-task" in self:
            raise self.stop(
                "You can not have --tres-per-task=cpu= and --cpus-per-task please use one or the other", 1, "fatal"
            )
        if "gres/gpu" in per_task and "gpus-per-task" in self:
            raise self.stop(
                "You can not have --tres-per-task=gres/gpu= and --gpus-per-task please use one or the other", 1, "fatal"
            )
        if ("cpus-per-task" in self or "cpu=" in per_task) and "cpus-per-gpu" in self:
            if "cpus-per-task" in self and self._weaker("cpus-per-task", "cpus-per-gpu"):
                self.drop("cpus-per-task")
            elif self._weaker("cpus-per-gpu", "cpus-per-task"):
                self.drop("cpus-per-gpu")
            else:
                raise self.stop(
                    "--cpus-per-task, --tres-per-task=cpu:#, and --cpus-per-gpu are mutually exclusive", 1, "fatal"
                )
        per_gpu, per_tres = self.get("ntasks-per-gpu"), self.get("ntasks-per-tres")
        if per_gpu is not None and per_tres is not None and per_gpu != per_tres:
            raise self.stop(
                f"Inconsistent values set to --ntasks-per-gpu={per_gpu} and --ntasks-per-tres={per_tres} ", 1, "fatal"
            )

    def _place_files(self) -> None:
        """Relative names of standard files are within --chdir, wherever that was given."""
        if "chdir" not in self:
            return
        for name in ("input", "output", "error"):
            written = self.raw.get(name)
            if name in self and written and written != "none" and not written.startswith("/"):
                self.values[name] = f"{self.get('chdir')}/{written}"

    def _weigh_task_tres(self) -> None:
        """Takes out of an inherited SLURM_TRES_PER_TASK what an option of its own says."""
        if self.origins.get("tres-per-task") != "environment" or "tres-per-task" not in self:
            return
        rivals = {"cpu": ("cpus-per-task", "cpus-per-gpu"), "gres/gpu": ("gpus-per-task",)}
        kept = [
            part
            for part in self.values["tres-per-task"].split(",")
            if not any(name in self for name in rivals.get(part.partition("=")[0].partition(":")[0], ()))
        ]
        if kept:
            self.values["tres-per-task"] = ",".join(kept)
        else:
            self.drop("tres-per-task")

    def _weaker(self, name: str, other: str) -> bool:
        return RANK[self.origins.get(name, "script")] < RANK[self.origins.get(other, "script")]

    def listing(self) -> str:
        """What -v prints: each option given, with its value, in the table's order."""
        name = self.command.name
        rule = f"{name}: {'-' * 20} {'-' * 20}\n"
        out = [f"{name}: defined options\n", rule]
        for key in sorted(self.rows):
            row = self.rows[key]
            value = self.values.get(row.name)
            if row.name in ("requeue", "no-requeue"):
                shown = "requeue" if "requeue" in self.values else "no-requeue"
            elif row.name in ("verbose", "quiet"):
                if not value:
                    continue
                shown = str(value)
            elif value is None:
                continue
            elif key == "nodefile":
                shown = self.raw[key] or ""
            else:
                shown = row.show(value)
            out.append(f"{name}: {key:<20}: {shown}\n")
        out += [rule, f"{name}: end of defined options\n"]
        return "".join(out)
