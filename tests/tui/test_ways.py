"""Which way of showing pictures each terminal gets: by what terminals really answer, and by what the user says."""

import os
import sys

import pytest

from kanatui.cli.bench.terminal import Terminal as Emulated
from kanatui.core.errors import UsageError
from kanatui.tui.terminal import QUERIES, Terminal, cell_of, understood
from kanatui.tui.ways import CHOICES, as_text, choose, graphics_of, is_decided

XTERM = {"TERM": "xterm-256color"}
KITTY = b"\x1bP>|kitty(0.35.2)\x1b\\\x1b[>1;4000;35c\x1b_Gi=31;OK\x1b\\\x1b[?62;c"
OLD_KITTY = b"\x1bP>|kitty(0.26.5)\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?62;c"
GHOSTTY = b"\x1bP>|ghostty 1.2.0\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?62;22c"
WEZTERM = b"\x1bP>|WezTerm 20240203-110809-5046fc22\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?65;4;6;18;22c"
FOOT = b"\x1bP>|foot(1.21.0)\x1b\\\x1b[?62;4;22;28c"
OLD_FOOT = b"\x1bP>|foot(1.13.1)\x1b\\\x1b[?62;4;22c"
GNOME = b"\x1bP>|VTE(7006)\x1b\\\x1b[?65;1;9c"
NEW_GNOME = b"\x1bP>|VTE(7802)\x1b\\\x1b[?65;1;9c"
PLAIN_XTERM = b"\x1bP>|XTerm(379)\x1b\\\x1b[>41;379;0c\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c"
SIXEL_XTERM = b"\x1bP>|XTerm(379)\x1b\\\x1b[?63;1;2;4;6;9;15;16;22;28c"
ITERM2 = b"\x1bP>|iTerm2 3.5.0\x1b\\\x1b[?65;4;6;18;22c"
KONSOLE = b"\x1bP>|Konsole 24.12.1\x1b\\\x1b[?62;1;4c"
VS_CODE = b"\x1bP>|xterm.js(5.6.0)\x1b\\\x1b[?62;4;9;22c"
CELL = b"\x1b[6;20;10t"
PUTTY = b"\x1b[?6c"
ALACRITTY = b"\x1b[>0;1401;1c\x1b[?6c"


@pytest.mark.parametrize(
    ("reply", "environment", "way"),
    [
        (KITTY, {}, "kitty"),
        (GHOSTTY, {}, "kitty"),
        (OLD_KITTY, {}, "mosaics"),  # graphics, but no placeholders yet
        (WEZTERM, {}, "iterm"),  # Kitty's graphics, too, but no placeholders
        (b"", {"TERM_PROGRAM": "WezTerm", "TERM_PROGRAM_VERSION": "20210814-124438"}, "sextants"),
        (ITERM2, {}, "iterm"),
        (b"", {"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.5.2"}, "iterm"),
        (b"", {"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.0.15"}, "quadrants"),
        (FOOT, {}, "octants"),  # Sixel, but the size of its cells is not known
        (FOOT + CELL, {}, "sixel"),
        (OLD_FOOT, {}, "mosaics"),
        (GNOME, {}, "mosaics"),
        (NEW_GNOME, {}, "octants"),
        (KONSOLE + CELL, {}, "quadrants"),  # Sixel, but text may not replace it
        (VS_CODE + CELL, {"TERM_PROGRAM": "vscode"}, "sixel"),
        (PLAIN_XTERM + CELL, {}, "quadrants"),
        (SIXEL_XTERM + CELL, {}, "sixel"),
        (PUTTY, {}, "quadrants"),
        (ALACRITTY, {"TERM": "alacritty"}, "sextants"),
        (ALACRITTY, {}, "quadrants"),
        (b"", {}, "quadrants"),  # silent, as through `script` or a program that answers nothing
        (b"", {"VTE_VERSION": "6800"}, "mosaics"),
        (b"", {"TERM": "xterm-kitty"}, "kitty"),
        (b"\x1bP>|\xff\xfe(9)\x1b\\\x1b[?1c", {}, "quadrants"),
        (b"garbage\x1b[", {}, "quadrants"),
        (KITTY, {"TERM": "dumb"}, "ascii"),
        (b"", {"TERM": ""}, "ascii"),
        (b"", {"TERM": "linux"}, "halves"),
        (KITTY, {"NO_COLOR": "1"}, "ascii"),
    ],
)
def test_each_terminal_gets_the_finest_way_that_it_surely_shows(reply, environment, way):
    environment = XTERM | environment
    choice = choose(understood(environment, reply), environment)
    assert choice.way == way
    assert choice.why


def test_the_size_of_a_cell_is_the_systems_or_else_the_terminals_answer():
    assert understood(XTERM, SIXEL_XTERM + CELL).cell == (10, 20)
    assert understood(XTERM, SIXEL_XTERM + CELL, (9, 18)).cell == (9, 18)
    assert choose(understood(XTERM, SIXEL_XTERM, (9, 18)), XTERM).way == "sixel"
    assert cell_of((80, 24, 723, 440)) == (9, 18)  # some pixels are left over
    assert cell_of((0, 0, 0, 0)) == cell_of((80, 24, 0, 0)) == (0, 0)


def test_graphics_that_are_not_chosen_are_offered():
    assert graphics_of(understood(XTERM, KONSOLE)) == ["sixel"]
    assert graphics_of(understood(XTERM, WEZTERM)) == ["iterm", "sixel"]
    assert graphics_of(understood(XTERM, KITTY)) == ["kitty"]
    assert graphics_of(understood(XTERM, GNOME)) == []


def test_commands_print_text_where_the_app_paints_over_cells():
    for reply, text in ((WEZTERM, "sextants"), (FOOT + CELL, "octants"), (GNOME, "mosaics"), (KITTY, "kitty")):
        assert as_text(choose(understood(XTERM, reply), XTERM)).way == text
    assert as_text(choose(understood(XTERM, FOOT), XTERM, "sixel")).way == "octants"


def test_sixel_is_noticed():
    assert understood(XTERM, SIXEL_XTERM).sixel
    assert not understood(XTERM, PLAIN_XTERM).sixel
    assert not understood(XTERM, b"\x1b[?4;6c").sixel  # the first number is the terminal's class


def test_the_option_comes_before_the_variable_and_that_before_the_setting():
    there = understood(XTERM, FOOT)
    assert choose(there, XTERM, setting="halves").way == "halves"
    both = XTERM | {"KANATUI_PICTURES": "braille"}
    assert choose(there, both, setting="halves").way == "braille"
    assert choose(there, both, "quadrants", "halves").way == "quadrants"
    assert choose(there, both, "auto", "halves").way == "octants"
    assert choose(there, XTERM | {"NO_COLOR": "1"}, "sextants").way == "sextants"
    assert choose(there, XTERM, setting="of another version").way == "octants"


@pytest.mark.parametrize(("option", "variable", "named"), [("sixels", "", "--pictures"), ("", "x", "KANATUI_PICTURES")])
def test_a_way_that_does_not_exist_is_refused_with_those_that_do(option, variable, named):
    with pytest.raises(UsageError) as refused:
        choose(None, {"KANATUI_PICTURES": variable}, option)
    assert named in str(refused.value)
    assert all(way in str(refused.value) for way in CHOICES)


def test_a_terminal_is_only_asked_if_its_answer_matters():
    assert is_decided(XTERM, "sextants")
    assert is_decided(XTERM | {"KANATUI_PICTURES": "ascii"})
    assert is_decided(XTERM | {"NO_COLOR": "1"})
    assert not is_decided(XTERM)
    assert not is_decided(XTERM, "kitty")  # whether tmux is in between matters
    assert not is_decided(XTERM, "sixel")  # and the size of a cell
    assert not is_decided(XTERM, setting="auto")


def test_tmux_is_asked_for_its_own_terminal(tmp_path, monkeypatch):
    program = tmp_path / "tmux"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def outside(kind, name, passthrough):
        program.write_text(f"#!/bin/sh\nprintf '{kind}\\t{name}\\t{passthrough}\\n'\n")
        program.chmod(0o755)
        return understood({"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0"}, b"\x1bP>|tmux 3.4\x1b\\\x1b[?1;2;4c")

    assert choose(outside("kitty(0.35.2)", "xterm-kitty", "on"), XTERM).way == "kitty"
    without = choose(outside("kitty(0.42.0)", "xterm-kitty", "off"), XTERM)
    assert without.way == "octants"
    assert "allow-passthrough" in choose(outside("", "xterm-kitty", ""), XTERM).why  # an old tmux knows the name alone
    sixel = outside("XTerm(379)", "xterm-256color", "on")
    assert choose(sixel, XTERM).way == "quadrants"  # tmux drops whole pictures
    assert graphics_of(sixel) == ["sixel"]
    program.write_text("#!/bin/sh\nexit 1\n")
    assert choose(understood({"TERM": "screen", "TMUX": "gone"}), XTERM).way == "quadrants"


ASKER = """
import os
from kanatui.tui.terminal import asking
with asking(os.environ, {limit}) as question:
    found = b"nobody" if question is None else question.answers()
print("heard", found, flush=True)
input()  # what a terminal's first process has written last can be lost when it ends: the system hangs up the terminal
"""


def ask_on_terminal(answer, limit, term="xterm-256color"):
    """Ask on a pseudo-terminal that answers with some bytes; return all that was written to it."""
    with Emulated(
        [sys.executable, "-c", ASKER.format(limit=limit)], environment={"TERM": term}, answers={}
    ) as emulated:
        if answer:
            emulated.wait_for("\x1b[c")
            emulated.write(answer)
        emulated.wait_for("heard")
        emulated.wait_for("\n", emulated.text().rindex("heard"))
        return emulated.text()


def test_a_real_terminal_is_asked_without_echo_and_with_a_time_limit():
    seen = ask_on_terminal(KITTY, 60.0)
    assert seen.startswith(QUERIES)
    assert f"heard {KITTY!r}" in seen
    assert "^[P" not in seen, "the answer was echoed"
    assert "heard b''" in ask_on_terminal(b"", 0.3)
    assert ask_on_terminal(b"", 60.0, term="dumb").startswith("heard b'nobody'")


def test_nothing_is_known_of_no_terminal():
    assert choose(None, {}).way == "quadrants"
    assert Terminal().text == "no answer"
