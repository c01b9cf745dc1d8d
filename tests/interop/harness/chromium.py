"""Pages in headless Chromium, driven over a pipe (DevTools protocol)."""

import base64
import copy
import fcntl
import json
import os
import shutil
import subprocess

FOUND = shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """One browser with one page, and what `another_page` gives. What is asked for and complained about is told of
    all of them together."""

    def __init__(self, directory, *flags):
        to_browser, commands = os.pipe()
        answers, from_browser = os.pipe()
        # Beyond 3 and 4, on which the browser reads its commands and answers.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (to_browser, from_browser)]
        self._process = subprocess.Popen(
            [FOUND, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             f"--user-data-dir={directory}", "--remote-debugging-pipe", *flags],
            close_fds=False, preexec_fn=lambda: [os.dup2(end, n) for n, end in enumerate(ends, 3)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (to_browser, from_browser, *ends):
            os.close(end)
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb")
        # One pipe for all pages: what is not read yet, and the number of the last order.
        self._pipe = {"rest": b"", "number": 0}
        self.requests, self.complaints = [], []
        self._open()

    def _open(self):
        self._page = None
        # In a window of its own: a page behind another one is never painted, and its dialogs do not end.
        target = self.ask("Target.createTarget", url="about:blank", newWindow=True)
        self._target = target["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=self._target, flatten=True)
        self._page = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def another_page(self):
        """A further page of this browser; only the first one stops it."""
        page = copy.copy(self)
        page._open()
        return page

    def close_page(self):
        """As its user does: the page learns that it goes."""
        self.ask("Target.closeTarget", targetId=self._target)

    def _next(self):
        pipe = self._pipe
        while b"\0" not in pipe["rest"]:
            more = os.read(self._answers.fileno(), 1 << 20)
            assert more, "the browser has ended"
            pipe["rest"] += more
        message, pipe["rest"] = pipe["rest"].split(b"\0", 1)
        message = json.loads(message)
        method, params = message.get("method"), message.get("params")
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        return message

    def ask(self, method, **params):
        self._pipe["number"] += 1
        number = self._pipe["number"]
        order = {"id": number, "method": method, "params": params}
        if self._page and not method.startswith("Target."):
            order["sessionId"] = self._page
        self._commands.write(json.dumps(order).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def show(self, file, width, scheme="light", medium="screen"):
        """Opens a file at a width, in `light` or `dark`, for `screen` or `print`."""
        self.size(width, 900, scheme, medium)
        self.visit(file.as_uri())

    def size(self, width, height, scheme="light", medium="screen"):
        """How large the page is shown, in which colours and for what."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", media=medium,
                 features=[{"name": "prefers-color-scheme", "value": scheme}])

    def visit(self, url):
        """Opens a page."""
        self.ask("Page.navigate", url=url)
        loaded = {"method": "Page.loadEventFired", "sessionId": self._page}
        while not loaded.items() <= self._next().items():
            pass

    def before_each_page(self, script):
        """Runs a script before those of every page."""
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=script)

    def tell(self, expression):
        """The value of an expression of JavaScript in the page, as if its user had done it."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True,
                          awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def picture(self, file):
        """The whole page as a PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def paper(self):
        """The page as a PDF."""
        return base64.b64decode(self.ask("Page.printToPDF", printBackground=False)["data"])

    def stop(self):
        self._commands.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._answers.close()
