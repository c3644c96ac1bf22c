"""Pipes that nobody writes to, and devices, in place of files: refused in one line. Standard files that are closed."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from kanatui.cli import run
from kanatui.evaluation import samples
from kanatui.plugins import registry
from kanatui.training.runs import Run
from kanatui.tui.train.logs import read_from
from tests.helpers.processes import LONGEST


@pytest.fixture
def in_time():
    """End what waits for ever."""

    def give_up(number, frame):
        raise AssertionError("it waits")

    @contextlib.contextmanager
    def within():
        before = signal.signal(signal.SIGALRM, give_up)
        signal.alarm(round(LONGEST))
        try:
            yield
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    return within


COMMANDS = [
    ("recognize", "PIPE.png"),
    ("read", "PIPE.png"),
    ("sheet", "read", "PIPE.png"),
    ("sheet", "read", "PIPE.pdf"),
    ("recognize", "--model", "PIPE.safetensors", "picture.png"),
    ("evaluate", "PIPE.safetensors"),
    ("evaluate", "default", "--images", "PIPE.npz"),
    ("evaluate", "default", "--images", "PIPE-images-idx3-ubyte.gz"),
    ("evaluate", "default", "--images", "PIPE.parquet"),
    ("evaluate", "default", "--images", "labelled", "--labels", "PIPE.csv"),
    ("adapt", "--samples", "PIPE.zip"),
    ("models", "show", "PIPE.safetensors"),
    ("preview", "PIPE.toml"),
    ("preview", "--characters", "file:PIPE"),
    ("generate", "--recipe", "PIPE.toml"),
    ("train", "--data", "PIPE.npz"),
    ("fonts", "add", "PIPE.ttf"),
    ("fonts", "add", "PIPE.zip"),
    ("import", "PIPE.parquet", "--name", "strange"),
    ("plugins", "trust", "PIPE.py"),
    ("plugins", "check", "PIPE.py"),
    ("export", "web", "default", "out", "--runtime", "PIPE.tgz"),
]


DEVICES = [command for command in COMMANDS if command[0] in ("recognize", "preview", "fonts")]
CASES = [(command, os.mkfifo) for command in COMMANDS]
CASES += [(command, lambda name: os.symlink("/dev/zero", name)) for command in DEVICES]


@pytest.mark.parametrize(("command", "make"), CASES, ids=[" ".join(command) for command, _ in CASES])
def test_what_is_no_file_is_refused(
    command, make, tmp_path, picture, folder, monkeypatch, capfd, shipped_model, in_time
):
    monkeypatch.chdir(tmp_path)
    picture("picture.png")
    name = next(part.removeprefix("file:") for part in command if "PIPE" in part)
    make(name)
    with in_time():
        assert run(command) in (1, 2)
    told = capfd.readouterr().err.strip().splitlines()[-1]
    assert told.startswith(("kanatui: ", "Error: ")) and "internal error" not in told
    assert "PIPE" in told or "/dev/zero" in told


@pytest.mark.parametrize("name", ["fonts.toml", "options.toml", "trusted-plugins.json"])
def test_settings_that_are_a_pipe_are_named(name, home, capfd, in_time):
    (home / "config").mkdir()
    os.mkfifo(home / "config" / name)
    with in_time():
        assert run(["plugins", "trust", __file__] if name.endswith("json") else ["fonts", "--json"])
    said = capfd.readouterr().err
    assert "Traceback" not in said and f"{name}: cannot be read" in said and "not a regular file" in said


def test_a_pipe_among_the_plugins_of_a_folder_is_left_out(tmp_path, monkeypatch, capfd, in_time):
    os.mkfifo(tmp_path / "pipe.py")
    monkeypatch.setenv("KANATUI_PLUGINS", str(tmp_path))
    registry.reload()
    with in_time():
        assert run(["--help"]) == 0
        assert run(["plugins", "--json"]) == 0
    assert "pipe" not in capfd.readouterr().out
    registry.reload()


def test_a_pipe_among_pictures_is_left_out_and_the_others_are_scored(folder, capfd, shipped_model, in_time):
    os.mkfifo(folder / "U+304B" / "c.png")
    with in_time():
        assert run(["evaluate", "default", "--images", str(folder)]) == 0
    said = capfd.readouterr()
    assert "no pictures in a labelled folder" in said.err and "strict" in said.out


def test_a_pipe_among_samples_is_no_sample_with_notes(home, in_time):
    os.mkfifo(home / "a.png")
    with in_time():
        assert samples.Sample(home / "a.png", "か").notes() == samples.Notes()


def test_a_pipe_in_place_of_a_log_shows_nothing(in_time):
    run_ = Run.create("strange", {})
    os.mkfifo(run_.log)
    with in_time():
        assert read_from(run_.log, 0) == (0, [])


def test_a_font_that_is_a_pipe_is_named(home, tmp_path, capfd, in_time):
    os.mkfifo(tmp_path / "font.ttf")
    (home / "config").mkdir()
    entry = (
        f'[[face]]\nid = "piped"\nfile = "{tmp_path}/font.ttf"\nstyle = "pen"\nweight = "regular"\nlicence = "none"\n'
    )
    (home / "config" / "fonts.toml").write_text(entry)
    with in_time():
        status = run(["preview", "quick", "--faces", "piped", "--characters", "あ", "--count", "1"])
    assert status == 1
    assert "none of the recipe's 1 faces is installed: kanatui fonts" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("kanatui <&-", 2, "the app needs a terminal"),
        ("kanatui recognize - --model default <&-", 1, "standard input"),
        ("kanatui runs --delete 1 <&-", 130, "interrupted"),
        ("kanatui runs --json >&-", 0, ""),
        ("kanatui runs --rename 1 new >&-", 0, ""),
        ("kanatui runs <&- >&- 2>&-", 0, ""),
    ],
)
def test_standard_files_that_are_closed(line, status, said):
    made = Run.create("some", {})
    result = subprocess.run(
        ["sh", "-c", f'kanatui() {{ "{sys.executable}" -P -m kanatui "$@"; }}; {line}'], capture_output=True, text=True
    )
    assert result.returncode == status, result.stderr
    assert said in result.stderr and "Traceback" not in result.stderr and "internal error" not in result.stderr
    assert made.title == ("new" if "rename" in line else "some")
