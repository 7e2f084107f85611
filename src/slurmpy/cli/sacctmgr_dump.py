"""``sacctmgr dump`` and ``load``: a cluster's associations as a text file, and back.

A file is lines ``Kind - 'name':Option=value:Option='value'``: one Cluster, then Parent lines, each followed by the
accounts and users below that account.
"""

from __future__ import annotations

import sys

from .errors import Stop
from .sacctmgr_words import (
    ASSOC_LIMITS,
    NAME,
    BadValue,
    Fatal,
    Known,
    Specs,
    Word,
    admin_level,
    names,
    read_assoc_limit,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .sacctmgr import Session

    Row = dict[str, Any]

_HEAD = """\
# To edit this file start with a cluster line for the new cluster
# Cluster - 'cluster_name':MaxTRESPerJob=node=50
# Followed by Accounts you want in this fashion (root is created by default)...
# Parent - 'root'
# Account - 'cs':MaxTRESPerJob=node=5:MaxJobs=4:MaxTRESMinsPerJob=cpu=20:FairShare=399:MaxWallDurationPerJob=40:\
Description='Computer Science':Organization='LC'
# Any of the options after a ':' can be left out and they can be in any order.
# If you want to add any sub accounts just list the Parent THAT HAS ALREADY
# BEEN CREATED before the account line in this fashion...
# Parent - 'cs'
# Account - 'test':MaxTRESPerJob=node=1:MaxJobs=1:MaxTRESMinsPerJob=cpu=1:FairShare=1:MaxWallDurationPerJob=1:\
Description='Test Account':Organization='Test'
# To add users to a account add a line like this after a Parent - 'line'
# User - 'lipari':MaxTRESPerJob=node=2:MaxJobs=3:MaxTRESMinsPerJob=cpu=4:FairShare=1:MaxWallDurationPerJob=1
"""

#: (word, field, whether it is text in quotes)
_LIMITS = (
    ("DefaultQOS", "default_qos", True),
    ("Fairshare", "shares_raw", False),
    ("GrpTRESMins", "grp_tres_mins", False),
    ("GrpTRESRunMins", "grp_tres_run_mins", False),
    ("GrpTRES", "grp_tres", False),
    ("GrpJobs", "grp_jobs", False),
    ("GrpJobsAccrue", "grp_jobs_accrue", False),
    ("GrpSubmitJobs", "grp_submit_jobs", False),
    ("GrpWall", "grp_wall", False),
    ("MaxTRESMinsPerJob", "max_tres_mins_per_job", False),
    ("MaxTRESPerJob", "max_tres_per_job", False),
    ("MaxTRESPerNode", "max_tres_per_node", False),
    ("MaxJobs", "max_jobs", False),
    ("MaxJobsAccrue", "max_jobs_accrue", False),
    ("MaxSubmitJobs", "max_submit_jobs", False),
    ("MaxWallDurationPerJob", "max_wall_duration_per_job", False),
    ("Priority", "priority", False),
)


def _options(row: Row) -> str:
    from ..core import tres

    text = ""
    for word, field, quoted in _LIMITS:
        value = row.get(field)
        if value not in (None, ""):
            if "_tres" in field:
                value = tres.format(tres.parse(str(value)), zeros=True)
            text += f":{word}={_quoted(value) if quoted else value}"
    if row.get("qos_own"):
        text += f":QOS={_quoted(','.join(sorted(row['qos_own'], key=str.upper)))}"
    elif row.get("delta_qos"):
        text += f":QOS={_quoted(','.join(row['delta_qos']))}"
    return text


def _quoted(value: object) -> str:
    """A text of one line's: what could end it, or begin a line of its own, is written as Slurm writes quotes, or as
    a blank. Descriptions may come from slurmrestd, with anything in them."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return "'" + text.replace("'", "`").replace('"', "`") + "'"


def dump(session: Session, argv: Sequence[str]) -> int:
    """Writes the file and tells of each line."""
    cluster, path = "", ""
    for text in argv:
        word = Word(text)
        if not word.key or word.key.lower().startswith("cluster"):
            cluster = word.value.lower()
        elif word.key.lower().startswith("file"):
            path = word.value
        else:
            raise Stop(1, err=f" Unknown option: {text}\n")
    if not cluster:
        raise Stop(1, err=" We need a cluster to dump.\n")
    if not session.query("clusters", {"names": (cluster,)}, ("name",)).rows:
        raise Stop(1, err=f" Cluster {cluster} doesn't exist.\n")
    if not path:
        path = f"./{cluster}.cfg"
        session.say(f" No filename given, using {path}.\n")
    lines = _lines(session, cluster)
    try:
        with open(path, "w") as file:
            file.write(_HEAD + "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise Stop(1, err=f"Can't open file {path}, {error.strerror}\n") from None
    sys.stdout.flush()
    sys.stderr.write("".join(f"{NAME}: {line}\n" for line in lines))
    return 0


def _lines(session: Session, cluster: str) -> list[str]:
    assocs = list(session.query("associations", {"clusters": (cluster,), "own_only": True}).dicts())
    accounts = {row["name"]: row for row in session.query("accounts").dicts()}
    users = {row["name"]: row for row in session.query("users", {"clusters": (cluster,)}).dicts()}
    coordinators: dict[str, list[str]] = {}
    for row in session.query("coordinators").dicts():
        coordinators.setdefault(row["user"], []).append(row["account"])
    wckeys: dict[str, list[str]] = {}
    for row in session.query("wckeys", {"clusters": (cluster,)}).dicts():
        if row["name"] and not row["name"].startswith("*"):
            wckeys.setdefault(row["user"], []).append(row["name"])
    users_of: dict[str, list[Row]] = {}
    below: dict[str, list[Row]] = {}
    root: Row = {}
    for row in assocs:
        if row["user"]:
            users_of.setdefault(row["account"], []).append(row)
        elif row["account"] == "root":
            root = row
        else:
            below.setdefault(row["parent_account"] or "root", []).append(row)
    lines = [f"Cluster - '{cluster}'{_options(root)}"]
    waiting = ["root"]
    while waiting:
        parent = waiting.pop(0)
        own_users, own_accounts = users_of.get(parent, []), below.get(parent, [])
        if not own_users and not own_accounts:
            continue
        lines.append(f"Parent - {_quoted(parent)}")
        for row in own_users:
            lines.append(_user_line(row, users.get(row["user"], {}), coordinators, wckeys))
        for row in own_accounts:
            account = accounts.get(row["account"], {})
            told = f":Description={_quoted(account.get('description', ''))}"
            told += f":Organization={_quoted(account.get('organization', ''))}"
            lines.append(f"Account - {_quoted(row['account'])}{told}{_options(row)}")
        waiting.extend(row["account"] for row in own_accounts)
    return lines


def _user_line(row: Row, user: Row, coordinators: dict[str, list[str]], wckeys: dict[str, list[str]]) -> str:
    name = row["user"]
    level = user.get("administrator_level", "None")
    told = {
        "Partition": row["partition"],
        "DefaultAccount": user.get("default_account"),
        "DefaultWCKey": user.get("default_wckey"),
        "AdminLevel": "" if level == "None" else level,
        "Coordinator": ",".join(coordinators.get(name, ())),
        "WCKeys": ",".join(wckeys.get(name, ())),
    }
    text = f"User - {_quoted(name)}" + "".join(f":{word}={_quoted(value)}" for word, value in told.items() if value)
    return text + _options(row)


# ---- load


def parse_line(text: str) -> tuple[str, str, list[Word]] | None:
    """(kind, name, options) of a line; None for a comment or an empty one. Raises ValueError for any other."""
    stripped = text.strip()
    if not stripped or stripped.startswith("#"):
        return None
    kind, dash, rest = stripped.partition("-")
    if not dash or kind.strip() not in ("Cluster", "Parent", "Account", "Project", "User"):
        raise ValueError(stripped)
    parts = _split(rest.strip())
    name = parts[0].strip()
    for quote in "'\"":
        if name.startswith(quote) and quote in name[1:-1]:
            raise ValueError(name[name.index(quote, 1) + 2 :])  # what follows the name is no option that there is
    name = name.strip("'\"")
    if not name:
        raise ValueError(stripped)
    return kind.strip().replace("Project", "Account"), name.lower(), [Word(part) for part in parts[1:]]


_OPTIONS = frozenset(
    word.lower()
    for word in (
        *ASSOC_LIMITS, "AdminLevel", "Coordinator", "DefaultAccount", "DefaultWCKey", "Description", "Organization",
        "Partition", "QOS", "WCKeys",
    )
)  # fmt: skip


def _split(text: str) -> list[str]:
    """At colons outside quotes that an option follows (a type of GRES has a colon of its own)."""
    parts, quote, start = [], "", 0
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == ":":
            word, equals, _ = text[at + 1 :].partition("=")
            if equals and word.lower() in _OPTIONS:
                parts.append(text[start:at])
                start = at + 1
    return [*parts, text[start:]]


def load(session: Session, argv: Sequence[str]) -> int:
    """Reads a file and adds what is not there yet; with ``clean`` the cluster is emptied first."""
    path, override, clean = "", "", False
    for text in argv:
        word = Word(text)
        if not word.key and word.value.lower() == "clean":
            clean = True
        elif not word.key or word.key.lower().startswith("file"):
            if path:
                raise Stop(1, err=" File name given more than once.\n")
            path = word.value
        elif word.key.lower().startswith("cluster"):
            override = word.value.lower()
        else:
            raise Stop(1, err=f" Unknown option: {text}\n")
    if not path:
        raise Stop(1, err=" No filename given, specify one with file=''\n")
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise Stop(1, err=f' Unable to read "{path}": {error.strerror}\n') from None
    loader = Loader(session, override, clean)
    for number, text in enumerate(lines, 1):
        try:
            found = parse_line(text)
            if found is not None:
                loader.line(*found)
        except ValueError as error:
            raise Stop(1, err=f" Unknown option: {error}\n error: Problem with line({number})\n") from None
        except BadValue as error:
            raise Stop(1, err=f" error: line {number}: {error}\n") from None
        except Fatal as error:
            raise Stop(1, err=f" error: line {number}:{error}\n") from None
    if not session.immediate and not session.confirm():
        return 0
    return loader.carry_out()


class Loader:
    """Collects the requests that a file means, and sends them when it has been read as a whole."""

    def __init__(self, session: Session, override: str, clean: bool) -> None:
        self.session, self.override, self.clean = session, override, clean
        self.known: Known = session.known
        self.cluster = self.parent = ""
        self.is_new = True
        self.requests: list[tuple[str, Row]] = []

    def _specs(self, words: Sequence[Word]) -> Specs:
        specs = Specs()
        for word in words:
            key = word.key.lower()
            if key in ("description", "organization"):
                specs.set[key] = word.value
            elif key == "partition":
                specs.where["partitions"] = names(word.value)
            elif key == "defaultaccount":
                specs.set["default_account"] = word.value.lower()
            elif key == "defaultwckey":
                specs.set["default_wckey"] = word.value.lower()
            elif key == "adminlevel":
                specs.set["admin_level"] = admin_level(word.value)
            elif key == "coordinator":
                specs.where["coordinates"] = names(word.value)
            elif key == "wckeys":
                specs.where["wckeys"] = names(word.value)
            elif not read_assoc_limit(word, specs, self.known):
                raise ValueError(word.text)
        return specs

    def line(self, kind: str, name: str, words: list[Word]) -> None:
        if kind == "Cluster":
            if self.cluster:
                raise ValueError("only one cluster a file")
            self.cluster, self.parent = self.override or name, "root"
            self.is_new = self.clean or not self.session.query("clusters", {"names": (self.cluster,)}, ("name",)).rows
            specs = self._specs(words)
            self.requests.append(("add_clusters", {"names": (self.cluster,), "limits": specs.limits}))
            return
        if not self.cluster:
            raise Stop(1, err=" You need to specify a cluster name first with 'Cluster - $NAME' in your file\n")
        if kind == "Parent":
            self.parent = name
            return
        specs = self._specs(words)
        if kind == "Account":
            args: Row = {"names": (name,), "clusters": (self.cluster,), "parent": self.parent, "limits": specs.limits}
            self.requests.append(("add_accounts", {**args, **specs.set}))
            return
        if not self.is_new and (name, self.parent) == ("root", "root"):
            return  # it has been there since the cluster has
        args = {
            "names": (name,),
            "clusters": (self.cluster,),
            "accounts": (self.parent,),
            "limits": specs.limits,
            "partitions": specs.where.get("partitions", ()),
            "wckeys": specs.where.get("wckeys", ()),
            "admin_level": specs.set.get("admin_level", ""),
        }
        if specs.set.get("default_account") == self.parent:
            args["default_account"] = self.parent
        if specs.set.get("default_wckey"):
            args["default_wckey"] = specs.set["default_wckey"]
        self.requests.append(("add_users", args))
        if self.parent in specs.where.get("coordinates", ()):
            self.requests.append(("add_coordinators", {"accounts": (self.parent,), "users": (name,)}))

    def carry_out(self) -> int:
        """All of the file is one change of the books, made as a whole or not at all."""
        if self.clean:
            self.session.call("delete_clusters", {"where": {"names": (self.cluster,)}})
        self.session.say(f"For cluster {self.cluster}\n")
        args = {"cluster": self.cluster, "requests": tuple(self.requests)}
        result = self.session.call("import_associations", args)
        told = [text for method, text in result["texts"] if method in ("add_accounts", "add_users")]
        self.session.say("".join(told) or " Nothing new added.\n")
        return 0
