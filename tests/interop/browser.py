#!/usr/bin/env python3
"""
browser.py - opens a page in headless Chromium and asks it questions.

    browser.py URL [--until JS] [--eval JS] [--screenshot FILE]
               [--size WIDTHxHEIGHT] [--dark] [--still] [--flag=FLAG]...

Waits until the expression --until is true, then prints the value of --eval as
JSON. Flags are Chromium's. What the page says on its console as an error,
exceptions nobody caught, and failed loads go to standard error. Exit status: 0,
1 when there was such an error or the wait took too long, 77 without Chromium.

Speaks Chromium's debugging protocol over a pair of pipes, so neither a port nor
a library is needed.
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE = 60  # seconds for anything a page is asked to do

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe""".split()


class Browser:
    """One Chromium with one page."""

    def __init__(self, program, flags):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self.out = os.pipe()
        self.inp, theirs_out = os.pipe()
        # The protocol is spoken on descriptors 3 and 4.
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}',
             "sh", program, *FLAGS, *flags,
             f"--user-data-dir={self.profile.name}",
             "about:blank"],
            pass_fds=[theirs_in, theirs_out], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.held = b""
        self.number = 0
        self.errors = []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")
        self.session = self.call("Target.attachToTarget", flatten=True,
                                 targetId=target["targetId"])["sessionId"]
        for domain in "Page", "Runtime", "Log":
            self.call(domain + ".enable")

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, EOFError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.profile.cleanup()

    def read(self):
        while b"\0" not in self.held:
            piece = os.read(self.inp, 65536)
            if not piece:
                raise EOFError("the browser has gone")
            self.held += piece
        message, self.held = self.held.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.hear(answer)

    def hear(self, event):
        about = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.errors.append(details.get("exception", details)
                               .get("description", details["text"]))
        elif (event["method"] == "Runtime.consoleAPICalled"
              and about["type"] in ("error", "warning", "assert")):
            self.errors.append(" ".join(str(a.get("value", a["type"]))
                                        for a in about["args"]))
        elif (event["method"] == "Log.entryAdded"
              and about["entry"]["level"] == "error"):
            entry = about["entry"]
            self.errors.append(f"{entry['text']} {entry.get('url', '')}")

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression,
                           returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: "
                               f"{answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def wait(self, expression):
        end = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"never came true: {expression}")
            time.sleep(0.05)

    def look(self, size, dark, still):
        width, height = (int(n) for n in size.split("x"))
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme",
             "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion",
             "value": "reduce" if still else "no-preference"}])

    def screenshot(self, file):
        shot = self.call("Page.captureScreenshot", format="png")
        with open(file, "wb") as out:
            out.write(base64.b64decode(shot["data"]))


def ask(browser, wanted):
    browser.look(wanted.size, wanted.dark, wanted.still)
    browser.call("Page.navigate", url=wanted.url)
    browser.wait("document.readyState == 'complete'"
                 " && location.href != 'about:blank'")
    browser.wait(wanted.until)
    if wanted.eval:
        print(json.dumps(browser.evaluate(wanted.eval)))
    if wanted.screenshot:
        browser.screenshot(wanted.screenshot)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--until", default="true")
    parser.add_argument("--eval")
    parser.add_argument("--screenshot")
    parser.add_argument("--size", default="1280x900")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--still", action="store_true")
    parser.add_argument("--flag", action="append", default=[])
    wanted = parser.parse_args()

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        print("browser.py: no Chromium", file=sys.stderr)
        return 77
    browser = Browser(program, wanted.flag)
    try:
        ask(browser, wanted)
    except (EOFError, RuntimeError, TimeoutError) as wrong:
        browser.errors.append(str(wrong))
    browser.close()
    for error in browser.errors:
        print(error, file=sys.stderr)
    return 1 if browser.errors else 0


if __name__ == "__main__":
    sys.exit(main())
