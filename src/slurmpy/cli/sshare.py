"""sshare: shares, usage and fair-share factors."""

from __future__ import annotations

import os

from ..core.errors import SlurmError
from .errors import Stop, entry, fail
from .options.sshare import COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    from ..rpc.cluster import Cluster
    from .command import Parsed

    Write = Callable[[bytes], object]

NAME = "sshare"


def main() -> NoReturn:
    entry(NAME, run)


def run(argv: Sequence[str], env: Mapping[str, str], cluster: Cluster | None = None, write: Write | None = None) -> int:
    """The command: `argv` without the program's name. With a `cluster` it asks that one; `write` takes the output."""
    parsed = COMMAND.parse(argv, env)
    out = write or _to_stdout
    from ..format import sshare as view
    from ..format import table

    if "helpformat" in parsed:
        out(view.help_text().encode())
        return 0
    encoding, parser = "", ""
    for given in parsed:
        if given.option.name in ("json", "yaml"):
            encoding, parser = given.option.name, given.value or ""
    if encoding:
        from . import json_output

        refused = json_output.check(NAME, encoding, parser)
        if refused is not None:
            return refused

    def unknown(name: str) -> None:
        fail(NAME, f'Invalid field requested: "{name}"')

    spec = parsed.get("format") or view.default(parsed.flag("long"), parsed.flag("partition"))
    delimiter = "|" if parsed.flag("parsable") or parsed.flag("parsable2") else None
    trailing = parsed.flag("parsable") and not parsed.flag("parsable2")
    layout = table.parse_fields(spec, view.VIEW, unknown, delimiter, trailing)
    users, accounts = _wanted(parsed)
    if parsed.count("verbose"):
        import sys

        lines = ["Users requested:", *(f"\t: {name}" for name in (["all"] if users is None else users))]
        lines += ["Accounts requested:", *(f"\t: {name}" for name in (["all"] if accounts is None else accounts))]
        sys.stderr.write("\n".join(lines) + "\n")
    if cluster is None:
        from . import connect

        cluster = connect.cluster(NAME)
    if parsed.get("cluster") is not None:
        from .clusters import check

        heading = check(NAME, parsed.get("cluster"), cluster)
        if not encoding:
            out(f"CLUSTER: {heading}\n".encode())
    try:
        answer = cluster.query("shares")
    except SlurmError as error:
        raise Stop(255, err=f"Couldn't get shares from controller: {error.message}\n") from None
    minutes = not encoding and {"tres_run_mins", "grp_tres_raw"} & set(layout.fields)
    labels = _labels(cluster) if minutes else None
    rows = view.complete(answer.dicts(), str(cluster.conf.ClusterName), labels)
    only_users = parsed.flag("Users")
    rows = [row for row in rows if _shown(row, users, accounts, only_users)]
    if encoding:
        from ..data_parser import fair_shares
        from . import json_output

        documents = fair_shares.documents(rows, str(cluster.conf.ClusterName), _labels(cluster))
        shares = {"shares": tuple(documents), "total_shares": 0}
        for piece in json_output.single(cluster.conf, NAME, argv, "shares", encoding, parser, shares=shares):
            out(piece)
        return 0
    if not parsed.flag("noheader"):
        out(layout.header())
        if delimiter is None:
            out(layout.ruler())
    context = table.Context(more={"tree": accounts is None and not only_users})
    values = [tuple(row[name] for name in layout.fields) for row in rows]
    for piece in layout.rows(layout.fields, values, context):
        out(piece)
    return 0


def _labels(cluster: Cluster) -> list[str]:
    """Every TRES that the accounting counts; none, if it cannot be asked."""
    try:
        rows = cluster.slurmdbd.query("tres", ("type", "name")).rows
    except SlurmError:
        return []
    return [f"{kind}/{name}" if name else kind for kind, name in rows]


def _wanted(parsed: Parsed) -> tuple[list[str] | None, list[str] | None]:
    """The users and the accounts asked for; None for all. Without anything, the user who asks."""
    accounts = parsed.get("accounts")
    users = parsed.get("users")
    named = None if accounts is None else [name for name in accounts.split(",") if name]
    if parsed.flag("all"):
        return None, named
    if users is not None:
        return [_user_name(name) for name in users.split(",") if name], named
    return [_user_name(str(os.getuid()))], named


def _user_name(text: str) -> str:
    if not text.isdigit():
        return text
    import pwd

    try:
        return pwd.getpwuid(int(text)).pw_name
    except KeyError:
        return text


def _shown(row: dict[str, Any], users: list[str] | None, accounts: list[str] | None, only_users: bool) -> bool:
    if accounts is not None and row["account"] not in accounts:
        return False
    if not row["user"]:
        return not only_users
    return users is None or row["user"] in users


def _to_stdout(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
