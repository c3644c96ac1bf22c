"""The app on real terminals: a pseudo-terminal, signals, sizes, what reaches the screen and what does not."""

import os
import re
import signal
import time

import pytest

from kanatui.cli.bench.terminal import Terminal
from kanatui.tui.launch import TerminalFile
from tests.helpers.app import keep_small_draft
from tests.helpers.processes import LONGEST


@pytest.fixture
def open_app():
    keep_small_draft()
    opened = []

    def start(*arguments, **options):
        opened.append(Terminal.app(*arguments, **options))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.end()


def leaves_in_order(terminal):
    """Wait for the app's end, with the alternate screen left and no error."""
    status = terminal.process.wait(LONGEST)
    assert status == 0, terminal.text()[-4000:]
    terminal.wait_for("\x1b[?1049l")
    assert "Traceback" not in terminal.text()


def test_the_app_opens_without_a_command_and_quits_by_key(open_app):
    terminal = open_app()
    terminal.wait_for("[1 Dataset]")
    since = terminal.press("4")
    terminal.wait_for("[4 Draw]", since)
    terminal.press("\x11")  # ctrl+q
    leaves_in_order(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_terminal_in_order(open_app, number):
    terminal = open_app()
    terminal.wait_for("[1 Dataset]")
    terminal.process.send_signal(number)
    leaves_in_order(terminal)


def test_a_closed_terminal_ends_it(open_app, home):
    terminal = open_app()
    terminal.wait_for("[1 Dataset]")
    terminal.hang_up()
    terminal.process.wait(LONGEST)
    assert "Traceback" not in (home / "app.log").read_text()


def test_a_terminal_that_is_gone_takes_what_is_written():
    near, far = os.openpty()
    with TerminalFile(far, "w") as terminal:
        terminal.write(b"seen")
        assert os.read(near, 10) == b"seen"
        os.close(near)
        assert terminal.write(b"not seen") == 8


def test_without_a_terminal_it_says_what_to_do(kanatui, one_line_error):
    one_line_error(kanatui(stdin=""), 2, "the app needs a terminal", "kanatui --help")


def test_a_terminal_that_cannot_draw_is_told_so_in_one_line(open_app):
    terminal = open_app(environment={"TERM": "dumb"})
    assert terminal.process.wait(60) == 2
    terminal.wait_for("export TERM=xterm-256color")
    assert "\x1b" not in terminal.text()


def test_a_terminal_of_no_size_and_any_resizing_are_safe(open_app):
    terminal = open_app(columns=0, lines=0)
    for size in ((80, 24), (0, 0), (1, 1), (200, 60), (5, 2), (120, 40)):
        time.sleep(0.2)  # some sizes come before the app is up, some after
        terminal.resize(*size)
        os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.wait_for("[1 Dataset]")
    since = terminal.press("4")
    terminal.wait_for("[4 Draw]", since)
    assert terminal.process.poll() is None


def test_it_fills_the_terminal_also_when_resized(open_app):
    def lowest_line(since=0):
        return max(int(line) for line in re.findall(r"\x1b\[(\d+);\d+H", terminal.text(since)))

    terminal = open_app(columns=100, lines=33)
    terminal.wait_for("Keys")
    assert lowest_line() == 33
    since = terminal.painted
    terminal.resize(120, 45)
    terminal.wait_for("Keys", since)
    assert lowest_line(since) == 45


def test_no_colour_means_none(open_app):
    terminal = open_app(environment={"NO_COLOR": "1"})
    terminal.wait_for("[1 Dataset]")
    terminal.wait_until_quiet(1.0)
    for colour in ("38;2;", "48;2;", "38;5;", "48;5;", "\x1b[3", "\x1b[4"):
        assert f"\x1b[{colour}" not in terminal.text()


def test_what_plugins_and_libraries_print_does_not_reach_the_screen(open_app, tmp_path, kanatui, home):
    noisy = tmp_path / "noisy.py"
    noisy.write_text('import os, sys\nprint("LOUD ONE")\nos.write(1, b"LOUD TWO")\nos.write(2, b"LOUD THREE")\n')
    kanatui("--plugins-dir", tmp_path, "plugins", "trust", noisy, check=0)
    terminal = open_app("--plugins-dir", str(tmp_path))
    terminal.wait_for("100 images")
    since = terminal.press("2")
    terminal.wait_for("[2 Train]", since)
    terminal.wait_until_quiet(1.0)
    assert "LOUD" not in terminal.text()
    assert "LOUD TWO" in (home / "app.log").read_text()


def test_nothing_is_painted_while_nothing_happens(open_app):
    terminal = open_app()
    terminal.wait_for("100 images")
    terminal.wait_for("about")
    terminal.wait_until_quiet(4.0, most=90.0)  # the first look at all the faces of a machine tells how far it is
    before = terminal.painted
    time.sleep(3.0)  # nothing is to come: there is no event to wait for, and each timer of the app has its turn
    assert terminal.painted == before
