"""``scontrol show assoc_mgr [accounts=] [users=] [qos=] [flags=users,assoc,qos]``."""

from __future__ import annotations

from ..core.errors import SlurmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .scontrol import Session

#: words of flags=, and the part that each asks for
FLAGS = ("users", "assoc", "qos")


def _options(session: Session, words: list[str]) -> tuple[dict[str, set[str]], set[str]] | None:
    """(names by kind, the parts that are wanted); None if a word makes no sense."""
    wanted: dict[str, set[str]] = {}
    parts = set(FLAGS)
    for word in words:
        key, equals, value = word.partition("=")
        names = {name.strip() for name in value.split(",") if name.strip()}
        kind = next((one for one in ("accounts", "users", "qos", "flags") if key and one.startswith(key.lower())), None)
        if not equals or kind is None:
            session.failed(f"invalid option:{word} for show assoc_mgr")
            return None
        if kind == "flags":
            parts = {flag for flag in FLAGS for name in names if flag.startswith(name.lower()[:4].rstrip("s") or "?")}
        else:
            wanted[kind] = names
    return wanted, parts


def show(session: Session, words: list[str]) -> None:
    from ..core.records.accounting import Association, Qos, User
    from ..format import scontrol_assoc as view

    options = _options(session, words)
    if options is None:
        return
    wanted, parts = options
    try:
        rows = session.cluster.query("assoc_mgr").rows
        shares = session.cluster.query("shares").dicts()
        fair = {row["id"]: row for row in shares}
    except SlurmError as error:
        session.failed(f"slurm_load_assoc_mgr_info error: {error.message}")
        return
    found: dict[str, list[tuple[Any, dict[str, Any]]]] = {"association": [], "qos": [], "user": []}
    tres: list[str] = []
    kinds = {"association": Association, "qos": Qos, "user": User}
    for kind, record, usage in rows:
        if kind == "tres":
            tres = sorted(record, key=lambda name: int(record[name]))
        elif kind in kinds:
            found[kind].append((kinds[kind].from_wire(record), dict(usage or {})))
    assocs = {assoc.id: assoc for assoc, _ in found["association"]}
    for assoc, usage in found["association"]:
        row = fair.get(assoc.id, {})
        usage.setdefault("norm", row.get("usage_norm") or 0.0)
        usage.setdefault("effective", row.get("usage_effective") or 0.0)
    state = view.State(assocs, tres, _uids([user.name for user, _ in found["user"]]), session.one_line)
    text = ["Current Association Manager state\n"]
    gap = "" if session.one_line else "\n"
    if "users" in parts:
        people = [one for one, _ in found["user"] if not wanted.get("users") or one.name in wanted["users"]]
        text.append(f"{gap}User Records\n{gap}" + "".join(view.user(one, state) for one in people))
    if "assoc" in parts:
        text.append(f"{gap}Association Records\n{gap}")
        for assoc, usage in sorted(found["association"], key=lambda one: str(one[0].lineage)):
            if wanted.get("accounts") and assoc.account not in wanted["accounts"]:
                continue
            if wanted.get("users") and assoc.user and assoc.user not in wanted["users"]:
                continue
            text.append(view.association(assoc, usage, state))
    if "qos" in parts:
        text.append(f"{gap}QOS Records\n{gap}")
        for one, usage in sorted(found["qos"], key=lambda one: int(one[0].id)):
            if not wanted.get("qos") or one.name in wanted["qos"]:
                text.append(view.qos(one, usage, state))
    session.out("".join(text))


def _uids(names: list[str]) -> dict[str, int]:
    import pwd

    found = {}
    for name in names:
        try:
            found[name] = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return found
