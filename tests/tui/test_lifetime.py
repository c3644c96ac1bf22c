"""A training outlives the app that started it: killed, hung up, or cut off in the middle of an SSH session."""

import os
import signal
import sys

import pytest

from kanatui.cli.bench.terminal import Terminal
from kanatui.training.control import STOP, Mailbox
from kanatui.training.runs import list_runs
from tests.helpers.app import keep_small_draft
from tests.helpers.processes import LONGEST, wait_until
from tests.helpers.sshd import Sshd

TINY = """
description = "small enough to begin at once"
characters = "あいう"
faces = ["klee-regular", "noto-sans-cjk-jp-medium"]
image_size = 32
mode = "random"
images_per_character = 400

[[augment]]
plugin = "rotate"
degrees = [-12.0, 12.0]

[train]
minutes = 60.0
validation_images = 60
threads = 1
workers = 0
"""


@pytest.fixture
def tiny_default(home):
    """The user's own recipe of the default's name, which the form of a new training begins with."""
    folder = home / "config" / "recipes"
    folder.mkdir(parents=True)
    (folder / "handwriting.toml").write_text(TINY)
    keep_small_draft()


@pytest.fixture
def opened():
    """Terminals are closed, and whatever trains is stopped, when the test is over."""
    terminals = []
    yield terminals
    for terminal in terminals:
        terminal.end()
    for run in list_runs():
        if run.alive():
            Mailbox(run.control).send(STOP)
    wait_until(lambda: not any(run.alive() for run in list_runs()))


def press_start(terminal):
    """In the app: Train, new, start."""
    terminal.wait_for("[1 Dataset]")
    since = terminal.press("2")
    terminal.wait_for("[2 Train]", since)
    since = terminal.press("n")
    terminal.wait_for("compact_cnn", since)  # the last that the form is filled with: what a start needs is there
    terminal.press("\x13")  # ctrl+s


def start_training(terminal):
    """Start a training in the app, and wait for its first steps."""
    press_start(terminal)
    run = wait_until(lambda: next((run for run in list_runs() if run.status().step > 0), None))
    terminal.wait_for("● run 1")
    return run


def goes_on(run):
    step = run.status().step
    wait_until(lambda: run.status().step > step)
    return run.status().state == "running"


def test_a_training_goes_on_whatever_happens_to_the_apps_that_show_it(tiny_default, opened):
    terminal = Terminal.app(columns=80, lines=24)
    opened.append(terminal)
    run = start_training(terminal)
    for ending in ("SIGHUP", "SIGKILL", "SIGTERM", "hang up"):
        if ending == "hang up":
            terminal.hang_up()
        else:
            terminal.process.send_signal(getattr(signal, ending))
        terminal.process.wait(LONGEST)
        assert goes_on(run), ending
        terminal = Terminal.app()
        opened.append(terminal)
        terminal.wait_for("● run 1")
    since = terminal.press("2")
    terminal.wait_for("handwriting", since)
    terminal.press("\r")
    terminal.wait_for("running", since)
    terminal.press("s")
    terminal.wait_for("A checkpoint is written first", since)
    terminal.press("\r")
    wait_until(lambda: run.status().state == "stopped")
    assert run.checkpoint("state").is_file()


def test_a_training_goes_on_if_the_app_ends_while_it_prepares(tiny_default, opened):
    terminal = Terminal.app(columns=80, lines=24)
    opened.append(terminal)
    press_start(terminal)
    run = wait_until(lambda: next((run for run in list_runs() if run.alive()), None))
    assert run.status().step == 0
    terminal.process.kill()
    terminal.process.wait(20)
    assert wait_until(lambda: run.status().step > 0) and goes_on(run)


def test_a_cut_ssh_connection_does_not_touch_a_training(tiny_default, opened, tmp_path, home):
    folder = tmp_path / "sshd"
    folder.mkdir()
    server = Sshd(folder)
    try:
        kept = {"KANATUI_HOME": str(home), "KANATUI_IMAGEMAGICK": os.environ.get("KANATUI_IMAGEMAGICK", "")}
        words = ["env", *(f"{name}={value}" for name, value in kept.items() if value), sys.executable, "-m", "kanatui"]
        terminal = Terminal(server.command(*words), 80, 24)
        opened.append(terminal)
        run = start_training(terminal)
        terminal.process.kill()  # as when the network goes away: nobody says goodbye
        assert goes_on(run)
        again = Terminal(server.command(*words), 120, 40)
        opened.append(again)
        again.wait_for("● run 1")
    finally:
        server.stop()
    assert goes_on(run)


def test_two_apps_watch_one_run_and_one_of_them_controls_it(tiny_default, opened):
    one, two = Terminal.app(columns=80, lines=24), Terminal.app(columns=120, lines=40)
    opened.extend([one, two])
    run = start_training(one)
    two.wait_for("● run 1")
    since = one.press("p")
    two.wait_for("paused")
    one.wait_for("paused at step", since)  # the answer, with which p becomes "resume"; the header may be ahead of it
    assert wait_until(lambda: run.status().state == "paused")
    one.press("p")
    wait_until(lambda: run.status().state == "running")
    assert goes_on(run)
