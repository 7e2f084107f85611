"""/docs: what is open to whom, and the page in a real browser."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from slurmpy.rest import explorer
from slurmpy.rest.options import Settings

from . import chromium
from .chromium import Chromium
from .conftest import Rest

pytestmark = pytest.mark.xdist_group("rest")
REPOSITORY = Path(__file__).parents[2]
ASSETS = resources.files("slurmpy.rest").joinpath("assets")


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/docs?x=1", *(f"/docs/{name}" for name in explorer.FILES)])
def test_the_page_is_open_to_everybody(rest: Rest, path: str) -> None:
    plain = rest("GET", path, headers={})
    assert plain.status == 200
    assert plain.body
    headers = dict(plain.headers)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert headers["X-Content-Type-Options"] == "nosniff"
    packed = rest("GET", path, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.body) == plain.body
    told = dict(packed.headers)
    assert told["Content-Encoding"] == "gzip"
    assert told["ETag"] != headers["ETag"]
    assert told["Vary"] == headers["Vary"] == "Accept-Encoding"
    again = rest("GET", path, headers={"If-None-Match": f'"x", {headers["ETag"]}'})
    assert (again.status, again.body, dict(again.headers)["ETag"]) == (304, b"", headers["ETag"])
    assert rest("HEAD", path, headers={}).status == 411  # as everywhere
    assert rest("GET", path, "a body", headers={}).status == 401
    assert rest("POST", path, headers={"Content-Length": "0"}).status == 401


def test_the_page_names_only_what_is_there(rest: Rest) -> None:
    for path, below in (("/docs", "/"), ("/docs/", "/docs/")):
        page = rest("GET", path, headers={}).body.decode()
        named = re.findall(r'(?:src|href)="([^"]*)"', page)
        assert {below + name for name in named} == {f"/docs/{name}" for name in explorer.FILES}
        assert "<script>" not in page
        assert " style=" not in page


@pytest.mark.parametrize("path", ["/docs/versions", "/docs/versions/v0.0.42", "/openapi", "/docs/x", "/docsx"])
def test_what_tells_of_the_installation_is_not(rest: Rest, path: str) -> None:
    assert rest("GET", path, headers={}).status == 401


def test_documents_by_version(rest: Rest) -> None:
    versions = json.loads(rest("GET", "/docs/versions").body)
    assert versions == list(Settings([], {}).versions)
    whole = rest("GET", "/openapi.json").document
    paths: list[str] = []
    for version in versions:
        document = rest("GET", f"/docs/versions/{version}").document
        paths += document["paths"]
        for path, methods in document["paths"].items():
            assert f"/{version}/" in path
            assert methods == whole["paths"][path]
    assert sorted(paths) == sorted(whole["paths"])
    assert rest("GET", "/docs/versions/v0.0.99").status == 404


def test_swagger_ui_is_what_is_documented() -> None:
    text = (REPOSITORY / "docs/dependencies.md").read_text()
    for name, (_, packed) in explorer.FILES.items():
        if packed:
            content = gzip.decompress(ASSETS.joinpath(f"{name}.gz").read_bytes())
            assert f"`{name}` | `{hashlib.sha256(content).hexdigest()}`" in text
    for name in ("swagger-ui.LICENSE", "swagger-ui.NOTICE", "swagger-ui-bundle.LICENSE.txt"):
        assert ASSETS.joinpath(name).read_bytes()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    if not chromium.PROGRAM:
        pytest.skip("chromium is not installed")
    found = Chromium(tmp_path / "profile")
    try:
        yield found
    finally:
        found.close()


def picture(browser: Chromium, name: str) -> None:
    """Into the folder that SLURMPY_TEST_PICTURES names, for who wants to look."""
    folder = os.environ.get("SLURMPY_TEST_PICTURES")
    if folder:
        browser.screenshot(Path(folder) / f"{name}.png")


def test_in_a_browser(rest: Rest, browser: Chromium) -> None:
    origin = f"http://127.0.0.1:{rest.port}"
    browser.open(f"{origin}/docs")
    picture(browser, "start")
    browser.type("#user", "root")
    browser.type("#token", rest.token())
    browser.click("#connect button[type=submit]")
    # the operations of the first version
    ping = "#operations-slurm-slurm_v0042_get_ping"
    browser.wait(f"document.querySelector('{ping}') !== null")
    served = [path for path in rest("GET", "/openapi.json").document["paths"] if "/v0.0.42/" in path]
    paths = browser.value("[...document.querySelectorAll('.opblock-summary-path')].map(one => one.dataset.path)")
    assert set(paths) == set(served)
    picture(browser, "operations")
    # one is tried by clicks
    browser.click(f"{ping} .opblock-summary-control")
    browser.click(f"{ping} .execute")
    said = browser.wait(
        f"document.querySelector('{ping} .live-responses-table .response .highlight-code pre')?.innerText"
    )
    answer = json.loads(said)
    assert [one["mode"] for one in answer["pings"]] == ["primary"]
    assert answer["errors"] == []
    curl = browser.value(f"document.querySelector('{ping} .curl-command').innerText")
    assert "X-SLURM-USER-TOKEN: $SLURM_JWT" in curl
    picture(browser, "ping")
    # parameters and schemas
    jobs = "#operations-slurm-slurm_v0042_get_jobs"
    browser.click(f"{jobs} .opblock-summary-control")
    names = browser.wait(f"document.querySelector('{jobs} .parameters')?.innerText")
    assert "update_time" in names
    browser.type(f"{jobs} tr[data-param-name=update_time] input", "1000000000")
    browser.click(f"{jobs} .execute")
    said = browser.wait(
        f"document.querySelector('{jobs} .live-responses-table .response .highlight-code pre')?.innerText"
    )
    assert json.loads(said)["errors"] == []
    asked = [event["request"]["url"] for method, event in browser.events if method == "Network.requestWillBeSent"]
    assert f"{origin}/slurm/v0.0.42/jobs/?update_time=1000000000" in asked
    picture(browser, "jobs")
    # another version
    browser.value(
        "(() => { const one = document.getElementById('version'); one.value = 'v0.0.45';"
        " one.dispatchEvent(new Event('change')); })()"
    )
    browser.wait("document.querySelector('#operations-slurm-slurm_v0045_get_ping') !== null")
    browser.type("#find", "GET /slurmdb/v0.0.45/jobs")
    browser.wait("document.querySelectorAll('.opblock').length == 1")
    picture(browser, "found")
    # the token was shown to slurmrestd, and to nobody else
    asked = [event["request"] for method, event in browser.events if method == "Network.requestWillBeSent"]
    assert {one["url"].split("/")[2] for one in asked if not one["url"].startswith(("data:", "about:"))} == {
        f"127.0.0.1:{rest.port}"
    }
    assert not [one["url"] for one in asked if rest.token() in one["url"]]
    assert browser.value("JSON.stringify([localStorage.length, sessionStorage.length, document.cookie])") == '[0,0,""]'
    assert rest.token() not in browser.value("location.href + document.documentElement.outerHTML")
    wrong = [
        event
        for method, event in browser.events
        if method == "Runtime.exceptionThrown"
        or (method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"))
        or (method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"))
    ]
    assert wrong == []
    browser.click("#forget")
    assert browser.wait("document.getElementById('status').innerText == 'Forgotten.'")
    assert browser.value("document.getElementById('token').value") == ""
    assert rest.token() not in rest.said()
