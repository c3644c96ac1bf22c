"""What terminals send: bytes that are not UTF-8, old mouse reports; and an app that ends unasked."""

import sys

import pytest
from textual import events

from kanatui.cli.bench.terminal import Terminal
from kanatui.tui.driver import InputDecoder, InputParser
from tests.helpers.app import keep_small_draft
from tests.helpers.processes import LONGEST

OLD_MOUSE = b"\x1b[M\x20\xa2\x30"  # right of column 95, as X10 reports it


def typed(*parts):
    """The keys that come of some input, read in these parts."""
    decoder, parser = InputDecoder(), InputParser()
    made = [event for part in parts for event in parser.feed(decoder.decode(part))]
    return [event.key for event in made if isinstance(event, events.Key)]


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"a\xffb", ["a"]),  # b may be the second byte of a character in another code
        (b"a\xff 3", ["a", "space", "3"]),
        ("か".encode("cp932"), []),
        ("アソン".encode("cp932") + b" x", ["space", "x"]),  # their second bytes are A, \\ and ]
        ("か".encode("euc-jp") + b"\t", ["tab"]),
        (OLD_MOUSE + b"x", ["x"]),
        (b"\x1b[M\x20\xc3\xa9x", ["x"]),  # two values that look like one character in UTF-8
        (b"\x1b[M   x", ["x"]),
        (b"\x1b[97;1:3ux", ["x"]),  # a key released, which nothing has asked for
        (b"\x1b[99999999999ux", ["x"]),
        (b"\x1b[55296ux", ["x"]),  # half of a UTF-16 pair
        ("かé€😀".encode(), ["か", "é", "euro_sign", "grinning_face"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
    ],
)
def test_what_cannot_be_decoded_is_left_out_and_the_rest_is_typed(sent, keys):
    assert typed(sent) == keys


def test_a_character_and_a_report_may_come_in_parts():
    assert typed(b"\xe3\x81", b"\x8bx") == ["か", "x"]
    assert typed(b"\x1b[", b"M\x20", b"\xa2", b"\x30x") == ["x"]


def test_an_escape_that_nothing_follows_is_a_key():
    parser = InputParser()
    assert parser.feed("\x1b") == []
    made = []
    while not made:
        made = parser.tick()
    assert [event.key for event in made] == ["escape"]


@pytest.mark.parametrize(
    "sent", [OLD_MOUSE, "か".encode("cp932"), b"\xff", b"\x1b[97;1:3u"], ids=["mouse", "sjis", "ff", "kitty"]
)
def test_the_app_takes_keys_after_bytes_that_nothing_can_be_made_of(sent):
    keep_small_draft()
    with Terminal.app() as terminal:
        terminal.wait_for("[1 Dataset]")
        since = terminal.painted
        terminal.write(sent)
        terminal.press("4")
        terminal.wait_for("[4 Draw]", since)
        terminal.press("\x11")  # ctrl+q
        assert terminal.process.wait(LONGEST) == 0


CRASHING = """
import sys
from kanatui.cli import main
from kanatui.tui.app import KanatuiApp
KanatuiApp.action_keys = lambda app: {what}
sys.argv[1:] = []
main()
"""


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("1 / 0", ["ZeroDivisionError: division by zero"]),
        ("app.panic('no idea')", []),
    ],
)
def test_an_end_that_nobody_asked_for_says_why_and_where_its_log_is(home, what, words):
    keep_small_draft()
    command = [sys.executable, "-c", CRASHING.format(what=what)]
    with Terminal(command, 200, 24) as terminal:
        terminal.wait_for("[1 Dataset]")
        terminal.press("?")
        assert terminal.process.wait(LONGEST) == 1
        terminal.wait_for("the app crashed")
        last = terminal.text().rpartition("\x1b[?1049l")[2]
        for word in (*words, str(home / "app.log"), "Trainings go on"):
            assert word in last.replace("\r\n", "")
    log = (home / "app.log").read_text()
    assert "no idea" in log or "division by zero" in log
