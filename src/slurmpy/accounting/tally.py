"""Counting usage: TRES seconds by account, user, WCKey and QOS, and what became of a cluster's time, in each of several
slots of time (hours, as a rule) at once.

Pure: sizes, events, reservations and jobs go in, sums come out. Times count in full seconds. What the sums mean is as
sreport(1) has it, held against what a real slurmdbd rolls up:

- A suspended job uses no CPUs while it is suspended, but keeps everything else.
- Energy is an amount, not a rate: a job's counts in the slot in which it ended.
- Planned is the CPU time that jobs were eligible and waited, as far as it was idle; the rest of it is over-committed.
- A reservation's TRES count as allocated, or as planned down with the flag MAINT, and its jobs' not once more. With
  IGNORE_JOBS the reservation does not count, its jobs do. The time in which no job ran in it is shared out evenly to
  its associations, whatever its flags.
- Nodes that are powered down to save power count as planned down; those in maintenance not at all, as their
  reservation does. While slurmctld is away all that no job had counts as down.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from slurmpy.core.states import NodeState

from . import tres_text

#: (cluster, account, user, WCKey, QOS)
Who = tuple[str, str, str, str, str]
Sums = dict[str, int]

#: what becomes of a cluster's time; "reported" is all of it
PARTS = ("allocated", "down", "planned_down", "idle", "planned", "over", "reported")

#: longest name of a TRES that is counted, and the largest count: what every database takes
LONGEST, MOST = 190, 1 << 50


def overlap(start: int, end: int, low: int, high: int) -> int:
    """Seconds that two stretches have in common."""
    return max(0, min(end, high) - max(start, low))


@lru_cache(4096)
def counts(text: str) -> tuple[tuple[str, int], ...]:
    """The TRES of a record; of a text that says none, none."""
    try:
        found = tres_text.parse(text)
    except (ValueError, OverflowError):
        return ()
    return tuple((name, min(count, MOST)) for name, count in found.items() if len(name) <= LONGEST and count >= 0)


@lru_cache(4096)
def waiting_tasks(text: str) -> int:
    """How many tasks a record of a job array stands for (``0-9,20-28:2%4``); 1 for any other job."""
    total = 0
    for part in text.strip("[]").partition("%")[0].split(","):
        low, dash, rest = part.partition("-")
        high, _, step = rest.partition(":")
        if not all(one.isdecimal() for one in (low, *((high,) if dash else ()), *((step,) if step else ()))):
            continue
        total += (int(high) - int(low)) // max(1, int(step or 1)) + 1 if dash else 1
    return min(max(1, total), MOST)


class Reservation:
    """A stretch of a reservation. `members`: who pays for what nobody used."""

    def __init__(
        self,
        number: int,
        name: str,
        start: int,
        end: int,
        tres: str,
        flags: Iterable[str] = (),
        members: Sequence[Who] = (),
    ) -> None:
        self.number, self.name, self.start, self.end, self.tres = number, name, start, end, tres
        self.flags, self.members = frozenset(flags), members

    @property
    def counted(self) -> bool:
        return "IGNORE_JOBS" not in self.flags

    def holds(self, number: int, name: str) -> bool:
        """Whether a job with this reservation's number (0: unknown) and name ran in it."""
        return self.name == name and (not number or number == self.number)


class _Cluster:
    """One cluster in one slot."""

    def __init__(self) -> None:
        self.capacity: Sums = {}
        self.allocated: Sums = {}
        self.down: Sums = {}
        self.planned_down: Sums = {}
        self.waited = 0  # CPU seconds


class Slot:
    """What is counted between two moments."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.used: dict[Who, Sums] = {}
        self.clusters: dict[str, _Cluster] = {}
        #: reservations: (seconds with jobs, CPU seconds of jobs)
        self.reserved: dict[tuple[str, int, int], list[int]] = {}

    def of(self, cluster: str) -> _Cluster:
        found = self.clusters.get(cluster)
        if found is None:
            found = self.clusters[cluster] = _Cluster()
        return found

    def utilization(self) -> dict[tuple[str, str], Sums]:
        """(cluster, TRES): the seconds of each of `PARTS`."""
        rows: dict[tuple[str, str], Sums] = {}
        for cluster, one in self.clusters.items():
            for name, total in one.capacity.items():
                allocated, down, planned_down = (
                    sums.get(name, 0) for sums in (one.allocated, one.down, one.planned_down)
                )
                if not total:  # energy, and what nobody counts: there is no whole of which these were parts
                    much = allocated + down + planned_down
                    rows[cluster, name] = dict.fromkeys(PARTS, 0) | {
                        "allocated": allocated, "down": down, "planned_down": planned_down, "over": much,
                    }  # fmt: skip
                    continue
                allocated = min(allocated, total)
                down = min(down, total - allocated)
                planned_down = min(planned_down, total - allocated - down)
                free = total - allocated - down - planned_down
                waited = one.waited if name == "cpu" else 0
                planned = min(waited, free)
                rows[cluster, name] = {
                    "allocated": allocated,
                    "down": down,
                    "planned_down": planned_down,
                    "idle": free - planned,
                    "planned": planned,
                    "over": waited - planned,
                    "reported": total,
                }
        return rows


def _add(sums: Sums, tres: str, seconds: int) -> None:
    if seconds > 0:
        for name, count in counts(tres):
            sums[name] = sums.get(name, 0) + count * seconds


class Tally:
    """Sums in slots between `bounds`, which ascend; `now` ends what is still going on.

    The clusters' sizes, absences, nodes and reservations are given in this order, before the jobs; then `finish`.
    """

    def __init__(self, bounds: Sequence[int], now: int) -> None:
        self.bounds, self.now = list(bounds), now
        self.slots = [Slot(low, high) for low, high in pairwise(bounds)]
        self._absences: dict[str, list[tuple[int, int]]] = {}
        self._reservations: dict[str, list[Reservation]] = {}

    def _touched(self, start: int, end: int) -> list[Slot]:
        if end <= start or end <= self.bounds[0] or start >= self.bounds[-1]:
            return []
        first = max(0, bisect_right(self.bounds, start) - 1)
        return self.slots[first : bisect_right(self.bounds, end - 1)]

    def cluster_size(self, cluster: str, start: int, end: int, tres: str) -> None:
        """The cluster had `tres` from `start` to `end` (0: until now)."""
        last = end or self.now
        for slot in self._touched(start, last):
            _add(slot.of(cluster).capacity, tres, overlap(start, last, slot.start, slot.end))

    def cluster_down(self, cluster: str, start: int, end: int, tres: str) -> None:
        """slurmctld was away."""
        last = end or self.now
        for slot in self._touched(start, last):
            _add(slot.of(cluster).down, tres, overlap(start, last, slot.start, slot.end))
        self._absences.setdefault(cluster, []).append((start, last))

    def _absent(self, cluster: str, start: int, end: int) -> int:
        return sum(overlap(start, end, low, high) for low, high in self._absences.get(cluster, ()))

    def node_down(self, cluster: str, start: int, end: int, tres: str, state: int = NodeState.DOWN) -> None:
        """A node was in the state (base and flags) of an event."""
        if state & NodeState.MAINTENANCE:
            return
        last = end or self.now
        for slot in self._touched(start, last):
            one = slot.of(cluster)
            low, high = max(start, slot.start), min(last, slot.end)
            sums = one.planned_down if state & NodeState.POWERED_DOWN else one.down
            _add(sums, tres, high - low - self._absent(cluster, low, high))

    def reservation(self, cluster: str, one: Reservation) -> None:
        self._reservations.setdefault(cluster, []).append(one)
        if not one.counted:
            return
        for slot in self._touched(one.start, one.end):
            of = slot.of(cluster)
            sums = of.planned_down if "MAINT" in one.flags else of.allocated
            _add(sums, one.tres, overlap(one.start, one.end, slot.start, slot.end))

    def job(
        self,
        who: Who,
        eligible: int,
        start: int,
        end: int,
        allocated: str,
        cpus: int,
        suspended: Sequence[tuple[int, int]] = (),
        reservation: tuple[int, str] = (0, ""),
    ) -> None:
        """One job: `cpus` are those that it waits for; `reservation` is the number and the name of the one it asked
        for. A start of 0: it has not started; an end of 0: it goes on."""
        cluster = who[0]
        held: list[Reservation] = []
        if reservation[1] and cluster in self._reservations:
            held = [one for one in self._reservations[cluster] if one.holds(*reservation)]
        if start:
            last = end or self.now
            for slot in self._touched(start, last):
                self._ran(slot, who, start, last, bool(end), allocated, suspended, held)
        if eligible:
            last = start or end or self.now
            for slot in self._touched(eligible, last):
                low, high = max(eligible, slot.start), min(last, slot.end)
                waited = high - low - sum(overlap(low, high, one.start, one.end) for one in held if one.counted)
                if waited > 0:
                    slot.of(cluster).waited += waited * min(cpus, MOST)

    def _ran(
        self,
        slot: Slot,
        who: Who,
        start: int,
        end: int,
        ended: bool,
        allocated: str,
        suspended: Sequence[tuple[int, int]],
        held: Sequence[Reservation],
    ) -> None:
        low, high = max(start, slot.start), min(end, slot.end)
        seconds = high - low

        def running_in(first: int, last: int) -> int:
            paused = sum(overlap(pause, until or self.now, first, last) for pause, until in suspended)
            return max(0, last - first - paused)

        running = running_in(low, high) if suspended else seconds
        covered = covered_running = 0
        for one in held:
            inside = overlap(low, high, one.start, one.end)
            if inside:
                sums = slot.reserved.setdefault((who[0], one.number, one.start), [0, 0])
                sums[0] += inside
                sums[1] += inside * dict(counts(allocated)).get("cpu", 0)
                if one.counted:
                    covered += inside
                    covered_running += running_in(max(low, one.start), min(high, one.end))
        cluster = slot.of(who[0])
        absent = self._absent(who[0], low, high) if who[0] in self._absences else 0
        used = slot.used.get(who)
        if used is None:
            used = slot.used[who] = {}
        for name, count in counts(allocated):
            if name == "energy":
                amount = free = count if ended and high == end else 0
            else:
                mine, theirs = (running, covered_running) if name == "cpu" else (seconds, covered)
                amount, free = count * mine, count * max(0, mine - theirs)
            if amount:
                used[name] = used.get(name, 0) + amount
            if free:
                cluster.allocated[name] = cluster.allocated.get(name, 0) + free
            if absent and name in cluster.down:
                cluster.down[name] = max(0, cluster.down[name] - count * absent)

    def finish(self) -> None:
        """Shares out what was reserved and not used."""
        for cluster, reservations in self._reservations.items():
            for one in reservations:
                for slot in self._touched(one.start, one.end):
                    busy = slot.reserved.get((cluster, one.number, one.start), (0, 0))[0]
                    idle = overlap(one.start, one.end, slot.start, slot.end) - busy
                    if idle <= 0:
                        continue
                    for who in one.members:
                        sums = slot.used.setdefault(who, {})
                        for name, count in counts(one.tres):
                            if share := count * idle // len(one.members):
                                sums[name] = sums.get(name, 0) + share

    def unused_wall(self, cluster: str, one: Reservation) -> list[tuple[Slot, float]]:
        """Seconds of the reservation that its jobs left, by the share of its CPUs that they had, in each slot."""
        found = []
        cpus = dict(counts(one.tres)).get("cpu", 0)
        for slot in self._touched(one.start, one.end):
            busy, used = slot.reserved.get((cluster, one.number, one.start), (0, 0))
            whole = overlap(one.start, one.end, slot.start, slot.end)
            found.append((slot, max(0.0, whole - (used / cpus if cpus else busy))))
        return found

    def reservations(self) -> Iterable[tuple[str, Reservation]]:
        return ((cluster, one) for cluster, found in self._reservations.items() for one in found)

    # -- of all slots together -----------------------------------------------------------------------------------

    @property
    def used(self) -> dict[Who, Sums]:
        found: dict[Who, Sums] = {}
        for slot in self.slots:
            for who, sums in slot.used.items():
                merge(found.setdefault(who, {}), sums)
        return {who: sums for who, sums in found.items() if sums}

    def utilization(self) -> dict[tuple[str, str], Sums]:
        found: dict[tuple[str, str], Sums] = {}
        for slot in self.slots:
            for key, sums in slot.utilization().items():
                merge(found.setdefault(key, {}), sums)
        return found


def merge(sums: Sums, more: Mapping[str, int]) -> None:
    for name, seconds in more.items():
        sums[name] = sums.get(name, 0) + seconds


def rows(utilization: Mapping[tuple[str, str], Sums]) -> list[dict[str, Any]]:
    """A row for each cluster and TRES, in the order of the TRES' numbers."""
    from slurmpy.core.tres import order_key

    order = sorted(utilization, key=lambda key: (key[0], order_key(key[1])))
    return [{"cluster": cluster, "tres": name, **utilization[cluster, name]} for cluster, name in order]
