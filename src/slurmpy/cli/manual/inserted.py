"""Tables that stand within a page of docs/, between two marks: ``<!-- table: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import os
import re

from . import parameters
from .pages import default_text

PAGES = ("accounting.md", "images.md")
_MARKED = re.compile(r"(<!-- table: ([\w.]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def slurmdbd_conf() -> str:
    """The parameters in use, and a line with the names of those without effect."""
    from ...conf.slurmdbd_conf import SlurmdbdConf

    rows = ["| line | meaning |", "|---|---|"]
    names = sorted(SlurmdbdConf.TABLE, key=str.lower)
    for name in names:
        _, default, used = SlurmdbdConf.TABLE[name]
        if used:
            rows.append(
                f"| `{name}` | {(parameters.SLURMDBD_CONF[name] + default_text(default)).replace('|', '&#124;')} |"
            )
    idle = ", ".join(f"`{name}`" for name in names if not SlurmdbdConf.TABLE[name][2])
    return "\n".join(rows) + f"\n\nKnown and without effect (each is named once in the log): {idle}.\n"


def image_limits() -> str:
    """The words of SLURMPY_IMAGE_LIMITS."""
    from ...image import limits

    rows = [f"| `{word}` | {limits.shown(word)} | {row[2]} |" for word, row in limits.TABLE.items()]
    return "\n".join(("| word | default | bounds |", "|---|---|---|", *rows)) + "\n"


TABLES = {"slurmdbd.conf": slurmdbd_conf, "image.limits": image_limits}


def filled(text: str) -> str:
    """`text` with the tables as they are now. Raises KeyError for a mark with a name that is no table."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


def all_pages(root: str) -> dict[str, str]:
    """Path below `root`: text, of the pages that are there."""
    found = {}
    for name in PAGES:
        path = f"docs/{name}"
        if os.path.exists(os.path.join(root, path)):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                found[path] = filled(file.read())
    return found
