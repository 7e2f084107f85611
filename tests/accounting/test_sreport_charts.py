"""sreport's tables, drawings and pages of made-up answers: what stands where, whatever the names are."""

from __future__ import annotations

import html
import html.parser
import itertools
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.cli import sacctmgr, sreport, sreport_html, sreport_plot
from slurmpy.cli.errors import Stop
from slurmpy.cli.options.sreport import COMMAND
from slurmpy.cli.sreport_reports import make
from slurmpy.cli.sreport_request import daily, full_hours

from .dbd import TRES, Slurmdbd, job, running

HOUR, DAY = 3600, 86400
BOLD = "<b>o'hara"
NASTY = "<script>alert('x')</script>\x1b[31m\n"


class Rows:
    def __init__(self, fields: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
        self.fields, self.records = fields, rows
        self.rows = [tuple(row[name] for name in fields) for row in rows]

    def dicts(self) -> list[dict[str, Any]]:
        return self.records


class Dbd:
    """A slurmdbd with one cluster of ten CPUs, and the users' usage as given."""

    def __init__(self, used: list[tuple[Any, ...]]) -> None:
        self.used = used
        self.asked: list[dict[str, Any]] = []

    def query(self, what: str, fields: tuple[str, ...], where: dict[str, Any]) -> Rows:
        tables: dict[str, list[dict[str, Any]]] = {
            "clusters": [{"name": "ref", "tres": "cpu=10,mem=100", "federation": ""}],
            "associations": [
                {"cluster": "ref", "account": "root", "lineage": "/"},
                {"cluster": "ref", "account": "a", "lineage": "/a/"},
                {"cluster": "ref", "account": "b", "lineage": "/a/b/"},
            ],
            "tres": [{"type": "cpu", "name": "", "id": 1}, {"type": "mem", "name": "", "id": 2}],
            "qos": [{"id": 1, "name": "normal"}, {"id": 2, "name": "high"}],
        }
        return Rows(fields, tables[what])

    def call(self, method: str, args: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(args)
        if method == "job_sizes":
            return {"jobs": [("ref", who[1], who[3], {"cpu": 4}, 900) for who in self.used]}
        seconds = args["end"] - args["start"]
        whole = {"cluster": "ref", "planned_down": 0, "over": 0, "planned": 0, "down": 0}
        rows = [
            {**whole, "tres": "cpu", "allocated": 4 * seconds, "idle": 6 * seconds, "reported": 10 * seconds},
            {**whole, "tres": "mem", "allocated": 0, "idle": 100 * seconds, "reported": 100 * seconds},
        ]
        return {"used": tuple(self.used), "utilization": tuple(rows), "now": 0}


USED = [
    ("ref", "a", "anna", "", "normal", {"cpu": 7230, "mem": 9_000_000_000}),
    ("ref", "b", "anna", "w", "high", {"cpu": 90}),
    ("ref", "b", "bob", "w", "normal", {"cpu": 150}),
]


def session(argv: list[str], used: list[tuple[Any, ...]] = USED) -> tuple[sreport.Session, list[str], Dbd]:
    dbd, out = Dbd(used), []
    cluster: Any = SimpleNamespace(slurmdbd=dbd, conf=SimpleNamespace(ClusterName="ref"))
    made = sreport.Session(COMMAND.parse(argv, {}), cluster, out.append)
    made.now = 1_700_000_000
    made.noheader = "noheader" in made.parsed
    for one in made.parsed:
        if one.option.name == "parsable2":
            made.separator = "|"
        elif one.option.name == "time":
            made.set_time_format(one.value or "")
    return made, out, dbd


def printed(options: str, words: str, used: list[tuple[Any, ...]] = USED) -> list[str]:
    made, out, _ = session(["-n", "-P", *options.split()], used)
    sreport.command(made, words.split())
    return "".join(out).splitlines()


STRETCH = "start=uts1699920000 end=uts1699927200"


def test_accounts_hold_what_is_below_them() -> None:
    lines = printed("", f"cluster accountutilizationbyuser {STRETCH} format=account,login,used")
    # 7470, 7230, 240, 90 and 150 seconds: whole minutes, halves to the even one as printf has it
    assert lines == ["root||124", "a||124", "a|anna|120", "b||4", "b|anna|2", "b|bob|2"]


def test_qos_and_top() -> None:
    lines = printed("-t seconds", f"cluster accountutilizationbyqos {STRETCH} format=account,qos,used accounts=b")
    assert lines == ["b|normal|150", "b|high|90"]
    top = printed("-t seconds", f"user top {STRETCH} topcount=1 group format=login,account,used")
    assert top == ["anna|a, b|7320"]
    assert printed("-t seconds", f"user top {STRETCH} topcount=2 format=login,account,used") == [
        "anna|a|7230",
        "bob|b|150",
    ]


def test_users_asked_for_stand_by_name_and_beside_whole_accounts() -> None:
    used = [*USED, ("ref", "a", "bob", "", "normal", {"cpu": 60})]
    of_users = f"cluster accountutilizationbyuser {STRETCH} format=account,login,used users=anna,bob tree"
    assert printed("-t seconds", of_users, used) == ["a|anna|7230", "b|anna|90", "a|bob|60", "b|bob|150"]
    of_qos = f"cluster accountutilizationbyqos {STRETCH} format=account,qos,used users=bob qos=normal tree"
    assert printed("-t seconds", of_qos, used) == [
        "root|normal|7440", " a|normal|7440", "  a|normal|60", "  b|normal|150", "   b|normal|150",
    ]  # fmt: skip
    below = f"cluster accountutilizationbyuser {STRETCH} format=account,login,used accounts=b tree"
    assert printed("-t seconds", below) == ["b||240", " b|anna|90", " b|bob|150"]


def test_a_qos_that_there_is_not_is_told_of_and_asks_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    line = f"cluster userutilizationbyaccount {STRETCH} format=login,used"
    assert printed("-t seconds", f"{line} qos=HIGH") == ["anna|90"]
    assert printed("-t seconds", f"{line} qos=high,nosuch,x") == printed("-t seconds", line)
    assert capsys.readouterr().err == "sreport: error: You gave a bad qos 'nosuch'. Valid QOS's are normal,high\n"


def test_nodes_are_no_part_of_a_cluster_s_utilization() -> None:
    made, _, _ = session(["-T", "node,cpu"])
    made.tres = ["node", "cpu"]
    with pytest.raises(Stop) as stop:
        make(made, "cluster", "Utilization", STRETCH.split())
    assert stop.value.err.startswith("sreport: fatal: TRES node usage is no longer reported")
    made.tres_all = True
    assert len(make(made, "cluster", "Utilization", STRETCH.split()).rows) == 2


def test_a_share_is_of_all_that_there_was() -> None:
    assert printed("-t percent", f"cluster utilization {STRETCH} format=allocated,idle,count") == ["40.00%|60.00%|10"]


def test_columns_grow_with_their_seconds() -> None:
    made, out, _ = session(["-n", "-T", "mem"])
    sreport.command(made, f"cluster useru {STRETCH}".replace("useru", "userutilizationbyaccount").split())
    assert "".join(out).splitlines()[0].endswith(f"{150_000_000:>10} ")


def test_sizes_as_the_list_says_them() -> None:
    line = f"job sizes {STRETCH} grouping=4,foo,2"
    assert printed("", line) == ["ref|root|0|180|0|180|360|100.00%"]
    assert printed("", f"job sizes {STRETCH} printjobcount grouping=individual") == ["ref|root|3|3|100.00%"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("c utilization", "invalid keyword: c\n"),
        ("cluster", "too few arguments for keyword:cluster\n"),
        ("parsable x", "too many arguments for keyword:parsable\n"),
        ("user nosuch", 'Not valid report nosuch\nValid user reports are, "Top"\n'),
        ("time", "too few arguments for keyword:time\n"),
    ],
)
def test_what_is_no_command(words: str, said: str) -> None:
    with pytest.raises(Stop) as stop:
        sreport.command(session([])[0], words.split())
    assert (stop.value.code, stop.value.err) == (1, said)


def test_a_condition_of_another_report_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    made, _, _ = session([])
    assert sreport.command(made, f"cluster utilization {STRETCH} users=anna".split()) == (1, False)
    assert capsys.readouterr().err == " Unknown condition: users=anna\nUse keyword set to modify value\n"


@given(st.integers(1_600_000_000, 1_900_000_000), st.integers(0, 400_000), st.integers(0, 400_000))
def test_the_stretch_is_full_hours_that_are_over(now: int, before: int, length: int) -> None:
    start, end = full_hours(now - before, now - before + length, now)
    assert start < end
    assert (start % HOUR, end % HOUR) == (0, 0)
    assert abs(start - (now - before)) <= HOUR // 2


@given(st.integers(1_600_000_000, 1_700_000_000), st.integers(1, 40 * 86400))
def test_days_cover_the_stretch(start: int, length: int) -> None:
    days = daily(start, start + length)
    assert days[0][0] == start
    assert days[-1][1] == start + length
    assert all(a[1] == b[0] and a[0] < a[1] for a, b in itertools.pairwise(days))


REPORTS = [
    "cluster utilization",
    "cluster accountutilizationbyuser tree",
    "cluster accountutilizationbyqos",
    "cluster userutilizationbyaccount",
    "cluster userutilizationbywckey",
    "cluster wckey",
    "job sizes",
    "job sizesbyaccountandwckey",
    "job sizesbywckey",
    "user top",
]
WEEK = "start=uts1699315200 end=uts1699920000"


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("width", [30, 80, 200])
@pytest.mark.parametrize("blocks", [True, False])
def test_a_drawing_keeps_to_its_width(report: str, width: int, blocks: bool) -> None:
    used = [*USED, ("ref", "a", NASTY * 20, "", "normal", {"cpu": 1}), ("ref", "a", "日本語" * 30, "", "n", {"cpu": 9})]
    made, out, _ = session(["--plot"], used)
    kind, name, *rest = report.split()
    made.tres = ["cpu"]
    from slurmpy.cli.options.sreport import REPORTS as KNOWN

    full = next(one for one, _ in KNOWN[kind] if one.lower().startswith(name))
    drawing = make(made, kind, full, [*WEEK.split(), *rest])
    made.noheader = True
    assert sreport_plot.draw(drawing, sreport_plot.Canvas(width, False, blocks)) == 0
    text = "".join(out)
    assert "\x1b" not in text
    assert len(text.splitlines()) > 2
    assert max(sreport_plot.wide(line) for line in text.splitlines()) <= width
    assert blocks or all(letter.isascii() for line in text.splitlines() for letter in line.replace("日本語", "")
                         if letter not in "日本語")  # fmt: skip


def test_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    tty = SimpleNamespace(isatty=lambda: True, encoding="utf-8")
    monkeypatch.setattr(sreport_plot.sys, "stdout", tty)
    assert sreport_plot.canvas().colours
    monkeypatch.setenv("NO_COLOR", "1")
    assert not sreport_plot.canvas().colours
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setattr(sreport_plot.sys, "stdout", SimpleNamespace(isatty=lambda: False, encoding="ascii"))
    found = sreport_plot.canvas()
    assert (found.colours, found.blocks) == (False, False)


class Checker(html.parser.HTMLParser):
    """Notes tags, and that every one is closed where it was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "onload")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("report", REPORTS)
def test_a_page_is_harmless_and_whole(report: str, tmp_path: Path) -> None:
    used = [*USED, ("ref", NASTY, NASTY, NASTY, NASTY, {"cpu": 50})]
    path = tmp_path / "page.html"
    made, _, _ = session(["--html", str(path), "-t", "minper"], used)
    words = [word if word != "wckey" else "wckeyutilizationbyuser" for word in report.split()]
    assert sreport.command(made, [*words, *WEEK.split()])[0] == 0
    text = path.read_text()
    checker = Checker()
    checker.feed(text.replace("/>", "></line>"))
    assert checker.open == []
    assert "script" not in checker.tags
    assert checker.addresses == []
    assert {"svg", "table", "caption", "style"} <= set(checker.tags)
    assert "\x1b" not in text
    assert "http://" not in text
    assert "https://" not in text


def test_a_page_takes_the_place_of_the_old_one_only_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    path.chmod(0o640)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sreport_html.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(Stop) as stop:
            sreport_html.write(_report(), str(path))
    assert "No space left" in stop.value.err
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["page.html"]
    sreport_html.write(_report(), str(path))
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("where", ["", "missing/page.html", "pipe"])
def test_what_is_no_file_is_left_alone(where: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Stop) as stop:
        sreport_html.write(_report(), str(tmp_path / where))
    assert stop.value.err.startswith(f"sreport: error: {tmp_path / where}: ")
    assert os.listdir(tmp_path) == ["pipe"]


def _report() -> Any:
    made, _, _ = session([])
    made.tres = ["cpu"]
    return make(made, "user", "TopUsage", STRETCH.split())


def test_a_cluster_over_time_asks_for_each_period() -> None:
    made, out, dbd = session(["--plot"])
    sreport.command(made, f"cluster utilization {WEEK}".split())
    starts = [args["start"] for args in dbd.asked]
    assert len(starts) == 1 + 7
    assert "cpu by day" in "".join(out)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurmdbd]:
    """A slurmdbd whose cluster has run one job of six hours on 24 of its 48 processors, four days ago."""
    place = tmp_path_factory.mktemp("books")
    with running(place) as daemon:
        daemon.register()
        now = int(time.time()) // DAY * DAY
        start = now - 4 * DAY
        assert daemon.run(sacctmgr, ["-i", "add", "account", "a", "description=d", "organization=o"])[0] == 0
        assert daemon.run(sacctmgr, ["-i", "add", "user", BOLD, "account=a"])[0] == 0
        key = {"job_id": 1, "submit_time": start}
        items = (
            {"kind": "cluster_tres", "time": now - 10 * DAY, "tres": TRES, "nodes": "n[1-5]"},
            {"kind": "job_start", **job(1, start, user_name=BOLD, account="a"), "start_time": start, "job_state": 1,
             "tres_allocated": "cpu=24,mem=100M,node=1,billing=24"},
            {"kind": "job_complete", **key, "end_time": start + 6 * HOUR, "job_state": 3},
        )  # fmt: skip
        import_jobs = [dict(item) for item in items[1:]]
        daemon.call("records", cluster="ref", first_seq=1, items=items[:1])
        daemon.call("import_jobs", cluster="ref", items=tuple(import_jobs))
        yield daemon


def _asked(daemon: Slurmdbd, *options: str) -> tuple[int, str, str]:
    now = int(time.time()) // DAY * DAY
    words = (f"start=uts{now - 7 * DAY}", f"end=uts{now}")
    return daemon.run(sreport, [*options, *words])


def test_drawn_from_a_slurmdbd(books: Slurmdbd) -> None:
    code, out, err = _asked(books, "--plot", "-t", "hours", "cluster", "AccountUtilizationByUser")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if line.rstrip().endswith(" 144")] == ["root", "a", BOLD]


def test_a_page_of_a_slurmdbd(books: Slurmdbd, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    code, out, err = _asked(books, f"--html={path}", "-t", "hours", "cluster", "AccountUtilizationByUser")
    assert (code, out, err) == (0, "", "")
    text = path.read_text()
    assert "<b>" not in text
    assert text.count(html.escape(BOLD)) >= 3  # label, table, told
    assert '<td class="n">144</td>' in text


def test_what_cannot_be_a_page_leaves_the_old_one(books: Slurmdbd, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    assert _asked(books, f"--html={path}", "cluster", "nosuch")[0] == 1
    assert path.read_text() == "old"
    code, _, err = _asked(books, "--html", str(tmp_path / "none" / "page.html"), "cluster", "Utilization")
    assert (code, err) == (1, f"sreport: error: {tmp_path}/none/page.html: No such file or directory\n")
