"""The checks of the machine, in machines that lack something."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from kanatui.cli import checks
from kanatui.cli.checks import Check
from kanatui.cli.doctor import doctor_command
from kanatui.core.errors import ImageMagickError
from kanatui.fonts import imagemagick
from kanatui.fonts.faces import load_faces

IMPORT = "from kanatui.cli import checks"


@pytest.fixture
def no_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANATUI_FONT_PATH", str(tmp_path / "no fonts here"))


@pytest.fixture
def only_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Return a function that puts one script on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("KANATUI_IMAGEMAGICK", raising=False)

    def add(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return add


# --- ImageMagick


def test_imagemagick_is_named_with_its_version() -> None:
    magick = imagemagick.find()
    assert checks.check_imagemagick() == Check("ImageMagick", "ok", f"{magick.version} ({magick.command})")


def test_without_imagemagick_the_remedy_installs_it(only_program: Callable[[str, str], Path]) -> None:
    found = checks.check_imagemagick()
    assert found.state == "fail"
    assert "not installed" in found.detail
    assert "apt-get" not in found.detail
    assert "apt-get install -y imagemagick" in found.remedy
    assert [checks.check_policy().state, checks.check_fonts().state] == ["fail", "fail"]


def test_a_stand_in_convert_is_not_taken_for_imagemagick(only_program: Callable[[str, str], Path]) -> None:
    path = only_program("convert", "echo 'convert: converts FAT volumes to NTFS'")
    found = checks.check_imagemagick()
    assert found.state == "fail"
    assert f"{path} is not ImageMagick" in found.detail
    assert "KANATUI_IMAGEMAGICK" in found.remedy


def test_a_policy_that_is_too_tight_fails_until_its_remedy_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.xml"
    limits = {"width": "1KP", "height": "512", "memory": "64MiB"}
    rules = "".join(f'<policy domain="resource" name="{name}" value="{value}"/>\n' for name, value in limits.items())
    policy.write_text(f"<policymap>\n{rules}</policymap>\n")
    monkeypatch.setenv("MAGICK_CONFIGURE_PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = checks.check_policy()
    assert found.state == "fail"
    assert "width 1KP, needs 2KP, height 512P, needs 2KP, memory 64MiB, needs 128MiB" in found.detail
    # The system's own policy is named first; what is typed is tried on the one that is at fault here.
    subprocess.run(["sh", "-c", found.remedy.replace(imagemagick.find().policy_files()[0], str(policy))], check=True)
    mended = checks.check_policy()
    assert (mended.state, mended.remedy) == ("ok", "")


def test_little_memory_is_a_warning_and_a_limit_from_the_environment_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICK_MEMORY_LIMIT", "32MiB")
    found = checks.check_policy()
    assert (found.state, found.remedy) == ("warning", "unset MAGICK_MEMORY_LIMIT")
    assert "memory 32MiB, needs 128MiB" in found.detail


WEBSAFE = """<policymap>
  <policy domain="delegate" rights="none" pattern="*"/>
  <policy domain="filter" rights="none" pattern="*"/>
  <policy domain="coder" rights="none" pattern="*"/>
  <policy domain="coder" rights="read | write" pattern="{GIF,JPEG,PNG,WEBP}"/>
</policymap>
"""
"""What ImageMagick's own "websafe" policy says of formats."""


@pytest.mark.parametrize("coder", ["XC", "R", "NULL", ""])
def test_a_policy_that_forbids_a_format_fails_until_its_remedy_is_typed(
    coder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.xml"
    one = f'<policymap>\n<policy domain="coder" rights="none" pattern="{coder}"/>\n</policymap>\n'
    policy.write_text(one if coder else WEBSAFE)
    monkeypatch.setenv("MAGICK_CONFIGURE_PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found, fonts = checks.check_policy(), checks.check_fonts()
    assert found.state == fonts.state == "fail"
    assert f"its security policy forbids {coder or 'XC'}" in found.detail
    assert f"its security policy forbids {coder or 'XC'}" in fonts.detail
    with pytest.raises(ImageMagickError, match=f"forbids {coder or 'XC'}.* kanatui doctor"):
        imagemagick.find().glyphs("Helvetica", "a", 32)
    assert str(policy) in found.remedy
    subprocess.run(["sh", "-c", found.remedy], check=True)
    mended = checks.check_policy()
    assert (mended.state, mended.remedy) == ("ok", "")


# --- Fonts


def test_without_fonts_the_remedy_installs_the_articles_and_handwriting(no_fonts: None) -> None:
    found = checks.check_fonts()
    assert found.state == "fail"
    assert found.detail.startswith(f"0 of {len(load_faces())} faces usable")
    assert {"fonts-noto-cjk", "fonts-noto-cjk-extra", "fonts-klee"} <= set(found.remedy.split())
    assert "fonts-vlgothic" not in found.remedy


def test_a_broken_list_of_faces_is_told(home: Path, no_fonts: None) -> None:
    (home / "config").mkdir()
    (home / "config" / "fonts.toml").write_text("[[face]\n")
    found = checks.check_fonts()
    assert found.state == "fail"
    assert re.search(r"fonts\.toml: not valid TOML: .*line 1, column", found.detail)


def test_a_damaged_font_is_named(home: Path, no_fonts: None) -> None:
    (home / "config").mkdir()
    (home / "config" / "bad.ttf").write_bytes(b"no font")
    entry = "[[face]]\nid = 'bad'\nfile = 'bad.ttf'\nstyle = 'brush'\nweight = 'bold'\n"
    (home / "config" / "fonts.toml").write_text(entry)
    assert "0 of" in checks.check_fonts().detail
    fonts = [face for face in load_faces(()) if face.id == "bad"]
    broken, usable = checks.try_faces(fonts)
    assert usable == []
    assert str(broken[0]).startswith("face bad: ")


# --- Torch


def test_torch_is_named_with_its_device() -> None:
    torch = pytest.importorskip("torch")
    found = checks.check_torch()
    assert found.state == "ok"
    assert found.detail.startswith(f"{torch.__version__} on ")
    assert re.search(r"native bfloat16: (yes|no|not known)", found.detail)


def test_a_torch_that_cannot_be_imported_fails(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so: cannot open shared object file')\n")
    code = f"{IMPORT}; found = checks.check_torch(); print(found.state, found.detail, found.remedy)"
    result = python(code, env={"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])})
    assert result.startswith("fail cannot be imported (libtorch.so: ")
    assert "-m pip install" in result


def python(code: str, env: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | env, stdout=subprocess.PIPE, check=True, text=True
    ).stdout


# --- Disk


def test_the_disk_is_measured_before_the_folder_exists(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANATUI_HOME", str(home / "not" / "yet"))
    monkeypatch.setattr(checks, "AMPLE_FREE", 0)
    monkeypatch.setattr(checks, "LEAST_FREE", 0)
    found = checks.check_disk()
    assert found.state == "ok"
    assert found.detail.endswith(f"GB free for {home / 'not' / 'yet'}")
    assert not (home / "not").exists()


@pytest.mark.parametrize("where", ["file/below", "/proc/kanatui"])
def test_a_folder_that_cannot_be_written_fails(where: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("not a folder")
    monkeypatch.setenv("KANATUI_HOME", str(home / where))
    found = checks.check_disk()
    assert found.state == "fail"
    assert f"{home / where} cannot be written" in found.detail
    assert found.remedy.startswith("export KANATUI_HOME=")


def test_little_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "AMPLE_FREE", 10**18)
    assert checks.check_disk().state == "warning"
    monkeypatch.setattr(checks, "LEAST_FREE", 10**18)
    assert checks.check_disk().state == "fail"


# --- Terminal


@pytest.mark.parametrize(
    ("environment", "state", "words"),
    [
        ({"NO_COLOR": "1", "TERM": "xterm"}, "ok", "NO_COLOR"),
        ({"TERM": "dumb"}, "warning", "export TERM=xterm-256color"),
        ({}, "warning", "export TERM=xterm-256color"),
        ({"TERM": "xterm-256color"}, "ok", "256"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "ok", "16 million"),
        ({"TERM": "screen"}, "warning", "export TERM=screen-256color"),
        ({"TERM": "linux"}, "warning", "16"),
    ],
)
def test_colours(environment: dict[str, str], state: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = checks.check_colours()
    assert found.state == state
    assert words in found.detail + found.remedy


def test_another_encoding_than_utf8_is_told() -> None:
    code = f"{IMPORT}; found = checks.check_unicode(); print(found.state, found.remedy)"
    result = python(code, env={"PYTHONIOENCODING": "latin-1"})
    assert result == "warning export LC_ALL=C.UTF-8\n"


def in_terminal(code: str, reply: bytes, columns: int = 80, rows: int = 24) -> tuple[str, bool]:
    """Run Python code in a terminal of its own that answers the question for its cursor with ``reply``.

    Returns what the code printed after a ``result:``, and whether the terminal's settings are as they were.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (rows, columns))
    before = termios.tcgetattr(theirs)
    # Python's own start_new_session gives no controlling terminal; a terminal opened by a session's leader becomes it.
    opened = f"import os; os.close(os.open({os.ttyname(theirs)!r}, os.O_RDWR))\n"
    child = subprocess.Popen(
        [sys.executable, "-c", opened + code], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    said = b""
    while b"result:" not in said or not said.endswith(b"\n"):
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, f"the child fell silent after {said!r}"
        said += os.read(ours, 1024)
        if b"\x1b[6n" in said:
            said = said.replace(b"\x1b[6n", b"")
            os.write(ours, reply)
    child.wait()
    same = termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
    return said.decode().rpartition("result:")[2].strip(), same


ASK = f"{IMPORT}; found = checks.check_unicode(); print('result:', found.state, found.detail)"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"\x1b[12;3R", "ok UTF-8; あ is 2 columns wide here"),
        (b"x\x1b[12;3R", "ok UTF-8; あ is 2 columns wide here"),
        (b"\x1b[1;2R", "warning UTF-8, but this terminal draws あ 1 column wide, not 2"),
        (b"", "ok UTF-8 (the width of あ was not checked)"),
        (b"\x1b[1;", "ok UTF-8 (the width of あ was not checked)"),
    ],
)
def test_the_terminal_is_asked_how_wide_a_kana_is(reply: bytes, expected: str) -> None:
    said, same = in_terminal(ASK, reply)
    assert said == expected
    assert same, "the terminal's settings are put back"


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [
        (80, 24, "ok 80 × 24"),
        (79, 24, "warning 79 × 24; the screens need 80 × 24"),
        (132, 20, "warning 132 × 20; the screens need 80 × 24"),
        (0, 0, "warning 0 × 0: size unknown"),
    ],
)
def test_the_size_of_the_terminal(columns: int, rows: int, expected: str) -> None:
    code = f"{IMPORT}; found = checks.check_terminal(); print('result:', found.state, found.detail)"
    assert in_terminal(code, b"", columns, rows)[0] == expected


# --- The command


def test_the_command_tells_what_mends_each_fault_and_fails(
    only_program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KANATUI_HOME", "/proc/kanatui")
    result = CliRunner().invoke(doctor_command, env={"COLUMNS": "80"})
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    for name in ("ImageMagick", "disk"):
        (place,) = (i for i, line in enumerate(lines) if line.startswith("FAIL") and line.split()[1] == name)
        assert any(line.strip().startswith("→ ") for line in lines[place + 1 : place + 4])
    assert max(len(line) for line in lines if "→" not in line) <= 80


def test_one_usable_face_is_enough_and_json_has_an_entry_for_each_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LEAST_FREE", 0)
    face = next((face for face in load_faces() if face.path), None)
    if face is None or face.path is None:
        pytest.skip("no face of fonts.toml is installed")
    monkeypatch.setenv("KANATUI_FONT_PATH", str(face.path.parent))
    result = CliRunner().invoke(doctor_command, ["--json"])
    assert result.exit_code == 0, result.output
    found = {check["name"]: check for check in json.loads(result.stdout)}
    assert list(found) == list(checks.CHECKS)
    assert found["fonts"]["state"] in ("ok", "warning")
    assert "fail" not in {check["state"] for check in found.values()}
