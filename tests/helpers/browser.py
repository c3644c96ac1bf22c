"""A real browser without a window, told what to do over its debugging pipe: no driver and no package is needed."""

import base64
import contextlib
import functools
import http.server
import json
import os
import select
import shutil
import subprocess
import threading
import time

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120.0


def find_browser():
    """Return the path of a browser, None if there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A plain web server, as `python -m http.server` is, that remembers what it was asked for."""

    def log_message(self, *arguments):
        self.server.asked.append(self.path)


@contextlib.contextmanager
def served(folder):
    """Serve a folder, and give its address and the list of paths that were asked for."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Page:
    """A page of a running browser."""

    def __init__(self, process, reads, writes):
        self._process, self._reads, self._writes = process, reads, writes
        self._number, self._session, self._rest = 0, None, b""
        self.errors, self.requests = [], []

    def tell(self, method, **parameters):
        """Send a command of the DevTools protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _note(self, event):
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(event["params"]["exceptionDetails"])
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])

    def _next(self):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._reads], [], [], PATIENCE)
            data = os.read(self._reads, 1 << 20) if ready else b""
            assert data, f"the browser is silent (exit status {self._process.poll()})"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, address, width=800, height=700):
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Network", "Page"):
            self.tell(f"{domain}.enable")
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.tell("Page.navigate", url=address)
        self.until("document.readyState == 'complete' && location.href != 'about:blank'")

    def value(self, expression):
        """Return the value of an expression in the page."""
        found = self.tell("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression):
        """Wait until an expression in the page is true, and return it."""
        end = time.monotonic() + PATIENCE
        while not (found := self.value(expression)):
            assert time.monotonic() < end and not self.errors, (expression, self.value("document.body.innerText"))
            time.sleep(0.05)
        return found

    def mouse(self, kind, x, y):
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        self.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def browser(folder):
    """Start a browser with a profile in a folder, and give a page of it."""
    ours, theirs = os.pipe(), os.pipe()  # the browser reads from descriptor 3 and writes to 4

    def place():
        reads, writes = os.dup(ours[0]), os.dup(theirs[1])  # either may be 3 or 4 itself
        os.dup2(reads, 3)
        os.dup2(writes, 4)

    command = [find_browser(), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
               "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
               f"--user-data-dir={folder}", "about:blank"]  # fmt: skip
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(command, stdout=nothing, stderr=nothing, close_fds=False, preexec_fn=place)
    os.close(ours[0])
    os.close(theirs[1])
    try:
        yield Page(process, theirs[0], ours[1])
    finally:
        process.terminate()
        process.wait(30)
        os.close(ours[1])
        os.close(theirs[0])
