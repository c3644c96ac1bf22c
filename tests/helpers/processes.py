"""Processes that tests start or look for, and waiting for what they do."""

import contextlib
import time

import psutil

LONGEST = 240.0
"""Seconds after which what a test waits for counts as never coming: ten times what a busy machine has taken."""


def wait_until(condition, describe=lambda: ""):
    """Wait until a condition holds and return what it gave; fail, with what ``describe`` says, if it never does."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {LONGEST:g} s in vain {describe()}")


def engines(*names):
    """The engines that this process has started, those of some names or all of them."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # one that ends meanwhile
            command = child.cmdline()
            if "kanatui.engine" in command and (not names or command[command.index("kanatui.engine") + 1] in names):
                found.append(child)
    return found
