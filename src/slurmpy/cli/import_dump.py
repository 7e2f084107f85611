"""What ``sacctmgr dump`` of another cluster wrote, as the requests that put it into these books.

The same reading as ``sacctmgr load``'s, except that QOS and TRES which are not here yet are made, and that all of a
file is one request, carried out as a whole or not at all.
"""

from __future__ import annotations

from .errors import Stop
from .sacctmgr_dump import Loader, parse_line
from .sacctmgr_words import BadValue, Fatal, Known, Word, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..rpc.cluster import Cluster


class _Session:
    """What the loader asks of a session: the books as they are."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.known: Known = _Anything(self)

    def query(self, what: str, where: dict[str, Any] | None = None, fields: tuple[str, ...] = ()) -> Any:
        return self.cluster.slurmdbd.query(what, fields, dict(where or {}))


class _Anything(Known):
    """QOS and TRES of the books, and those that the file names."""

    def __init__(self, session: _Session) -> None:
        super().__init__(lambda what, fields: session.query(what, {}, fields).rows)
        self.new_qos: list[str] = []
        self.new_tres: list[str] = []

    def note(self, words: Iterable[Word]) -> None:
        for word in words:
            key = word.key.lower()
            if key in ("qos", "defaultqos"):
                have = {name for _, name in self.qos()}
                wanted = (name.lstrip("+-") for name in names(word.value))
                self.new_qos += [name for name in wanted if name and name not in {*have, *self.new_qos}]
            elif "tres" in key:
                wanted = (part.rpartition("=")[0].lower() for part in word.value.split(","))
                self.new_tres += [name for name in wanted if name and name not in {*self.tres(), *self.new_tres}]

    def qos(self) -> list[tuple[int, str]]:
        return [*super().qos(), *((0, name) for name in self.new_qos)]

    def tres(self) -> set[str]:
        return super().tres() | set(self.new_tres)


def request(lines: Iterable[str], cluster: Cluster, override: str = "") -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """(arguments of ``import_associations``, (line, what is wrong) of each line that cannot be)."""
    session = _Session(cluster)
    loader = Loader(session, override, False)  # type: ignore[arg-type]
    known: Any = session.known
    wrong: list[tuple[int, str]] = []
    coordinators: list[tuple[str, str]] = []
    for number, text in enumerate(lines, 1):
        try:
            found = parse_line(text)
            if found is None:
                continue
            kind, name, words = found
            known.note(words)
            loader.line(kind, name, words)
            for word in words if kind == "User" else ():
                if word.key.lower() == "coordinator":
                    coordinators += [(account, name) for account in names(word.value)]
        except ValueError as error:
            wrong.append((number, f"not understood: {error}"))
        except (BadValue, Fatal) as error:
            wrong.append((number, str(error).strip()))
        except Stop as stop:
            wrong.append((number, stop.err.strip() or "not understood"))
    if not loader.cluster and not wrong:
        wrong.append((1, "no Cluster line"))
    requests = [one for one in loader.requests if one[0] != "add_coordinators"]
    requests += [
        ("add_coordinators", {"accounts": (account,), "users": (user,)})
        for account, user in dict.fromkeys(coordinators)
    ]
    if known.new_qos:
        requests.insert(0, ("add_qos", {"names": tuple(known.new_qos)}))
    return {"cluster": loader.cluster, "requests": tuple(requests), "tres": tuple(known.new_tres)}, wrong
