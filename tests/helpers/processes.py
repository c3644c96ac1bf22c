"""Processes that tests start or look for, and waiting for what they do."""

import contextlib
import time

import psutil


def wait_until(condition, seconds=120.0, describe=lambda: ""):
    """Wait until a condition holds and return what it gave; fail, with what ``describe`` says, if it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:g} s in vain {describe()}")


def engines(*names):
    """The engines that this process has started, those of some names or all of them."""
    found = {}
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # one that ends meanwhile
            command = child.cmdline()
            if "kanatui.engine" in command:
                found[command[command.index("kanatui.engine") + 1]] = child
    return [process for name, process in found.items() if not names or name in names]
