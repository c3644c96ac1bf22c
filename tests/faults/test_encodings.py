"""Output in other encodings than UTF-8: nothing fails, JSON stays JSON, and the app says what it needs."""

import io
import json
import os
import shutil
import subprocess
import sys

import pytest

from kanatui import cli
from kanatui.cli.bench.terminal import Terminal
from kanatui.cli.console import print_in_any_encoding, print_json
from kanatui.fonts.faces import load_faces
from tests.helpers.processes import LONGEST

ENCODINGS = ("ascii", "latin-1", "euc-jp")

COMMANDS = (
    *([command, "--help"] for command in sorted(cli.group.commands)),
    ["--help"],
    ["recipes"],
    ["recipes", "show", "handwriting"],
    ["recipes", "show", "handwriting", "--json"],
    ["fonts", "--characters", "かな漢"],
    ["fonts", "--characters", "かな", "--json"],
    ["plugins"],
    ["plugins", "--json"],
    ["models", "show", "なし"],
    ["runs"],
    ["recognize", "へ\udcff.png"],
    ["preview", "--faces", "klee-regular", "--characters", "かé", "--count", "2"],
    ["preview", "--faces", "klee-regular", "--characters", "か", "--count", "2", "--pictures", "sextants"],
)


@pytest.fixture(autouse=True)
def one_face(monkeypatch):
    """Only Klee is installed: the command `fonts` draws with every face."""
    path = next(face.path for face in load_faces() if face.id == "klee-regular")
    if path is None:
        pytest.skip("Klee is not installed")
    monkeypatch.setenv("KANATUI_FONT_PATH", str(path.parent))


@pytest.fixture
def run_in(monkeypatch):
    """Run a command whose standard output and error are encoded in some way; return its status and what it wrote."""

    def run(encoding, *arguments):
        written = [io.BytesIO(), io.BytesIO()]
        streams = [io.TextIOWrapper(raw, encoding) for raw in written]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            print_in_any_encoding()
            status = cli.run(arguments)
            for stream in streams:
                stream.flush()
        # click takes ASCII for a mistake, and writes its help in UTF-8 then.
        return status, *(raw.getvalue().decode(encoding, "replace") for raw in written)

    return run


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: ascii(" ".join(arguments)))
def test_no_command_fails_for_want_of_a_character(run_in, encoding, arguments):
    status, _, complaint = run_in("utf-8", *arguments)
    status_here, said, complaint_here = run_in(encoding, *arguments)
    assert status_here == status
    assert "UnicodeEncodeError" not in complaint_here
    assert bool(complaint_here) == bool(complaint)
    if "--json" in arguments:
        assert json.loads(said) == json.loads(run_in("utf-8", *arguments)[1])


def test_marks_are_replaced_by_those_that_all_encodings_have(run_in):
    _, said, _ = run_in("latin-1", "--help")
    assert "auto, sextants ..." in said
    assert "sextants …" in run_in("utf-8", "--help")[1]


@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8"])
def test_json_is_the_same_in_every_encoding(monkeypatch, encoding):
    value = {"か": "é😀\x7f", "file": "\udcff"}
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    print_in_any_encoding()
    print_json(value)
    stream.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == value


# ── real locales ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def locales(tmp_path_factory):
    """A folder with a Japanese and a European locale from before UTF-8."""
    if not shutil.which("localedef"):
        pytest.skip("no localedef")
    folder = tmp_path_factory.mktemp("locales")
    for source, charmap in (("ja_JP", "EUC-JP"), ("de_DE", "ISO-8859-1")):
        subprocess.run(["localedef", "-i", source, "-f", charmap, folder / f"{source}.{charmap}"], check=True)
    return folder


def environment_of(locales, name):
    return {"LOCPATH": str(locales), "LC_ALL": name, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("name", "given", "shown"),
    [
        ("ja_JP.EUC-JP", "か".encode("euc-jp"), "か".encode("euc-jp")),
        ("de_DE.ISO-8859-1", b"U+304B", b"U+304B"),
        ("C", b"U+304B", b"U+304B"),
    ],
)
def test_a_command_reads_and_prints_in_the_encoding_of_the_locale(locales, name, given, shown):
    result = subprocess.run(
        [sys.executable, "-P", "-m", "kanatui", "recipes", "show", "handwriting", "--characters", given],
        capture_output=True,
        env={**os.environ, **environment_of(locales, name)},
    )
    assert result.returncode == 0, result.stderr
    assert b'characters = "' + shown + b'"' in result.stdout


def test_a_name_that_the_locale_cannot_write_is_told(home, locales):
    (home / "config").mkdir()
    entry = "[[face]]\nid = 'mine'\nfile = 'かな.ttf'\nstyle = 'brush'\nweight = 'bold'\n"
    (home / "config" / "fonts.toml").write_text(entry, "utf-8")
    result = subprocess.run(
        [sys.executable, "-P", "-m", "kanatui", "fonts"],
        capture_output=True,
        env={**os.environ, **environment_of(locales, "C")},
    )
    assert b"internal error" not in result.stderr
    assert result.returncode == 0, result.stderr


WIDTH = b"\x1b[6n"


def app_in(locales, name, cursor):
    answers = {WIDTH: cursor, b"\x1b[c": b"\x1b[?62;22c"}
    command = [sys.executable, "-P", "-m", "kanatui"]
    return Terminal(command, 200, 40, environment_of(locales, name), answers)


def test_the_app_says_what_it_needs_where_the_terminal_has_another_encoding(locales):
    with app_in(locales, "de_DE.ISO-8859-1", b"\x1b[1;4R") as terminal:
        assert terminal.process.wait(LONGEST) == 2
        terminal.wait_for("the app needs a UTF-8 terminal, and the locale's encoding is iso8859-1")
        terminal.wait_for("export LC_ALL=C.UTF-8")


def test_the_app_runs_in_a_terminal_of_utf8_whatever_the_locale_says(locales):
    with app_in(locales, "de_DE.ISO-8859-1", b"\x1b[1;3R") as terminal:
        terminal.wait_for("[1 Dataset]")
        terminal.press("\x11")  # ctrl+q
        assert terminal.process.wait(LONGEST) == 0
