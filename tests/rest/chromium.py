"""A headless Chromium, driven by its DevTools protocol over two pipes, for which the standard library will do."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections import deque
from pathlib import Path
from typing import Any

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
#: no sandbox, as the tests may run as root; nobody but this machine is asked anything
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)
TIME = 60.0


class Chromium:
    """One window. ``events`` are what the page's domains have told, as (method, parameters)."""

    def __init__(self, folder: Path) -> None:
        theirs, self._to = os.pipe()
        self._from, ours = os.pipe()
        # the protocol's pipes are descriptors 3 and 4, whatever they are here
        script = f'exec "$0" "$@" 8<&{theirs} 9>&{ours} 3<&8 4>&9 8<&- 9>&-'
        argv = [
            "bash",
            "-c",
            script,
            PROGRAM,
            *FLAGS,
            f"--user-data-dir={folder}",
            "--window-size=1400,1000",
            "about:blank",
        ]
        self.process = subprocess.Popen(
            argv,
            pass_fds=(theirs, ours),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(ours)
        self._held = b""
        self._number = 0
        self._session = ""
        self.events: deque[tuple[str, dict[str, Any]]] = deque()
        (page,) = [one for one in self.tell("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self._session = self.tell("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command of the protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, (method, told)
                return dict(told["result"])

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + TIME
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._from], [], [], max(end - time.monotonic(), 0))
            assert ready, "Chromium tells nothing"
            piece = os.read(self._from, 1 << 20)
            assert piece, "Chromium has ended"
            self._held += piece
        word, _, self._held = self._held.partition(b"\0")
        told: dict[str, Any] = json.loads(word)
        if "method" in told:
            self.events.append((told["method"], told["params"]))
        return told

    def open(self, url: str) -> None:
        """Until everything is loaded."""
        before = len(self.events)
        self.tell("Page.navigate", url=url)
        while all(method != "Page.loadEventFired" for method, _ in list(self.events)[before:]):
            self._next()

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to; a promise is waited for."""
        told = self.tell("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, expression: str) -> Any:
        """What it comes to once that is true; it is looked at whenever the page changes."""
        return self.value(
            f"""new Promise((done, failed) => {{
              const look = () => {{ const found = {expression}; if (found) {{ watch.disconnect(); done(found); }} }};
              const watch = new MutationObserver(look);
              watch.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
              setTimeout(() => failed(new Error(document.body.innerText.slice(0, 2000))), {TIME * 500});
              look();
            }})"""
        )

    def click(self, selector: str) -> None:
        """By the mouse, once the element is there, stands still and has nothing over it. A page may still move between
        the look and the click: what did not arrive is done again."""
        for _ in range(5):
            at = self._place(selector)
            for kind in ("mousePressed", "mouseReleased"):
                self.tell("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)
            if self.value("window.arrived"):
                return
        raise AssertionError(f"{selector} cannot be clicked")

    def _place(self, selector: str) -> list[float]:
        at: list[float] = self.value(
            f"""new Promise((done, failed) => {{
              const end = performance.now() + {TIME * 500};
              let before = "";
              const look = () => {{
                const one = document.querySelector({json.dumps(selector)});
                one?.scrollIntoView({{block: "center", behavior: "instant"}});
                const box = one?.getBoundingClientRect();
                const at = box?.width ? [box.x + box.width / 2, box.y + box.height / 2] : null;
                if (at && before === at.join() && one.contains(document.elementFromPoint(...at))) {{
                  window.arrived = false;
                  one.addEventListener("click", () => {{ window.arrived = true; }}, {{once: true, capture: true}});
                  return done(at);
                }}
                before = at ? at.join() : "";
                if (performance.now() > end) return failed(new Error("nowhere to click"));
                requestAnimationFrame(look);
              }};
              look();
            }})"""
        )
        return at

    def type(self, selector: str, words: str) -> None:
        self.click(selector)
        self.tell("Input.insertText", text=words)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        try:
            self._session = ""
            self.tell("Browser.close")
            self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            os.close(self._to)
            os.close(self._from)
