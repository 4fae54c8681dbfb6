"""A headless Chromium, driven through its DevTools protocol over two pipes: keys as a user presses, pages as a user sees.

https://chromedevtools.github.io/devtools-protocol
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SECONDS = 60
QUIET = ["gpu", "quic", "background-networking", "component-update", "sync", "extensions"]
# Chromium reads from descriptor 3 and writes to 4.
LAUNCH = """import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for descriptor, end in zip((3, 4), ends): os.dup2(end, descriptor)
os.execv(sys.argv[3], sys.argv[3:])"""
KEYS = {"ArrowUp": 38, "ArrowDown": 40, "Enter": 13, "Tab": 9, "Delete": 46, "Backspace": 8}
MODIFIERS = {"Alt": 1, "Control": 2, "Shift": 8}


def find() -> str:
    """The path of an installed Chromium; without one, the test is skipped."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(names)} is on the path")
    return found


class Browser:
    """One page of a headless Chromium; a context manager."""

    def __init__(self, profile: Path) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._count, self._received = 0, b""
        options = [
            "--headless",
            "--no-sandbox",
            "--no-first-run",
            "--hide-scrollbars",
            *(f"--disable-{name}" for name in QUIET),
        ]
        arguments = [find(), *options, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        inner_read, self._write = os.pipe()
        self._read, inner_write = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LAUNCH, str(inner_read), str(inner_write), *arguments],
            pass_fds=(inner_read, inner_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(inner_read)
        os.close(inner_write)
        self._session: str | None = None
        try:
            self._attach()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def _attach(self) -> None:
        pages = [target for target in self("Target.getTargets")["targetInfos"] if target["type"] == "page"]
        self._session = self("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self(f"{domain}.enable")
        self("Emulation.setFocusEmulationEnabled", enabled=True)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exception: object) -> None:
        self._session = None
        self("Browser.close")
        self._process.wait(SECONDS)
        os.close(self._read)
        os.close(self._write)

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Calls a method of the protocol and gives its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]

    def show(self, path: Path, width: int = 1280, height: int = 900, scheme: str = "light", address: str = "") -> None:
        """Opens a file in a window of this size, and waits until it has loaded."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self("Page.navigate", url="about:blank")
        self("Page.navigate", url=path.as_uri() + address)
        until = time.monotonic() + SECONDS
        while self.value("document.readyState + location.protocol") != "completefile:":
            assert time.monotonic() < until, "the page doesn't load"
            time.sleep(0.02)

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, keys: str) -> None:
        """Presses one key, such as `"Tab"` or `"Alt+ArrowUp"`."""
        *held, key = keys.split("+")
        event = {
            "key": key,
            "code": key,
            "windowsVirtualKeyCode": KEYS[key],
            "modifiers": sum(MODIFIERS[name] for name in held),
        }
        self("Input.dispatchKeyEvent", type="keyDown", **event, **({"text": "\r"} if key == "Enter" else {}))
        self("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text: str) -> None:
        """Types over what is selected."""
        self("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Clicks on the middle of an element."""
        x, y = self.value(
            f"(() => {{ const element = document.querySelector({json.dumps(selector)});"
            "element.scrollIntoView({block: 'center'}); const box = element.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path | None = None) -> bytes:
        """The whole page as a PNG."""
        size = self("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        picture = base64.b64decode(self("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"])
        if path:
            path.write_bytes(picture)
        return picture

    def _next(self) -> dict[str, Any]:
        """The next message; what it says about errors and requests is kept."""
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._read], [], [], SECONDS)
            part = os.read(self._read, 1 << 20) if ready else b""
            assert part, "Chromium doesn't answer"
            self._received += part
        line, self._received = self._received.split(b"\0", 1)
        message = json.loads(line)
        match message.get("method"):
            case "Runtime.exceptionThrown":
                details = message["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", details["text"]))
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        return message
