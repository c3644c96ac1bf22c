"""Faces: the list, the search, the choice, and above all what a font truly draws."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont

from kanatui import imagemagick, paths
from kanatui.cli.system import fonts_command
from kanatui.errors import FontError
from kanatui.fonts import Face, coverage, font_folders, install_command, load_faces, select_faces, user_file
from kanatui.kana import KANA

BOX = ((100, 0), (100, 700), (600, 700), (600, 0))


@pytest.fixture(autouse=True)
def place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and font folders in which only its fonts lie."""
    (home / "cache").unlink()
    (tmp_path / "fonts").mkdir()
    monkeypatch.setenv("KANATUI_FONT_PATH", str(tmp_path / "fonts"))
    return tmp_path


def polygon(*points: tuple[float, float]) -> Any:
    pen = TTGlyphPen(None)
    if points:
        pen.moveTo(points[0])
        for point in points[1:]:
            pen.lineTo(point)
        pen.closePath()
    return pen.glyph()


def build_font(path: Path, cmap: dict[str, str], **glyphs: Any) -> Path:
    """Write a TrueType font; ``glyphs`` are outlines by name, and ``.notdef`` is a box."""
    outlines = {".notdef": polygon(*BOX)} | glyphs
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(list(outlines))
    builder.setupCharacterMap({ord(character): name for character, name in cmap.items()})
    builder.setupGlyf(outlines)
    builder.setupHorizontalMetrics(
        {name: (1000, outlines[name].xMin if outlines[name].numberOfContours else 0) for name in outlines}
    )
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=880, sTypoDescender=-120)
    builder.setupPost()
    builder.save(path)
    return path


TRIANGLE = ((100, 0), (500, 800), (900, 0))


@pytest.fixture
def tricky(place: Path) -> Path:
    """A font whose cmap promises more than its glyphs hold; く is the one character it does not list."""
    return build_font(
        place / "fonts" / "tricky.ttf",
        {
            "あ": "a",
            "か": "empty",
            "き": "box",
            "け": ".notdef",
            "こ": "far",
            "さ": "speck",
            "\u3000": "empty",
            "\r": "a",
        },
        a=polygon(*TRIANGLE),
        empty=polygon(),
        box=polygon(*BOX),
        far=polygon(*((x + 150, y) for x, y in BOX)),  # the box on another side bearing
        speck=polygon((500, 300), (504, 300), (502, 304)),
    )


def face_of(file: Path, **changes: Any) -> Face:
    face = Face(file.stem, "gothic", "regular", "OFL-1.1", "fonts-x", file, 0, str(file))
    return dataclasses.replace(face, **changes)


def write_list(path: Path, *entries: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"[[face]]\n{entry}\n" for entry in entries), encoding="utf-8")
    return path


ENTRY = 'id = "mine"\nfile = "mine.ttf"\nstyle = "brush"\nweight = "bold"'


# --- What a face draws


def test_a_character_counts_only_with_cmap_ink_and_not_as_the_box(tricky: Path) -> None:
    characters = "あかきくけこさ\u3000\r\n\ud800あ"
    drawn = coverage(face_of(tricky), characters)
    assert drawn.dtype == np.bool_
    assert [c for c, ok in zip(characters, drawn, strict=True) if ok] == ["あ", "あ"]


def test_an_empty_notdef_hides_no_glyph(place: Path) -> None:
    path = build_font(place / "plain.ttf", {"あ": "a", "い": "a"}, **{".notdef": polygon(), "a": polygon(*TRIANGLE)})
    assert coverage(face_of(path), "あいう").tolist() == [True, True, False]


def test_coverage_is_kept_on_disk_and_made_again_when_damaged(tricky: Path) -> None:
    face = face_of(tricky)
    first = coverage(face, "あか")
    (kept,) = (paths.cache() / "coverage").iterdir()
    assert json.loads(kept.read_text()) == {"drawn": "あ", "not drawn": "か"}
    kept.write_text('{"drawn": "か", "not drawn": "あ"}')
    assert coverage(face, "あか").tolist() == [False, True], "what is kept is not examined again"
    for damage in ("", '{"drawn": "か', "[1]", '{"drawn": 7}', "\x00"):
        kept.write_text(damage)
        assert (coverage(face, "あか") == first).all(), damage
    assert coverage(face, "あかく").tolist() == [True, False, False]
    assert json.loads(kept.read_text()) == {"drawn": "あ", "not drawn": "かく"}


def test_another_font_under_the_same_name_is_examined_anew(place: Path) -> None:
    path = build_font(place / "one.ttf", {"あ": "a"}, a=polygon(*TRIANGLE))
    before = face_of(path).digest
    assert coverage(face_of(path), "い").tolist() == [False]
    os.utime(build_font(path, {"い": "a"}, a=polygon(*TRIANGLE)), ns=(1, 1))
    assert face_of(path).digest != before
    assert coverage(face_of(path), "い").tolist() == [True]


def test_coverage_needs_no_writable_cache(tricky: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "file").write_text("not a folder")
    monkeypatch.setenv("KANATUI_HOME", str(place / "file" / "below"))
    assert coverage(face_of(tricky), "あか").tolist() == [True, False]


def test_processes_may_ask_at_the_same_time(tricky: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kanatui.fonts import *\n"
        "p = Path(sys.argv[1]); f = Face('t', 'gothic', 'thin', '', '', p, 0, str(p))\n"
        "print(''.join(c for c in 'あかきくけこ' if coverage(f, c)[0]))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tricky)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [child.communicate()[0] for child in children] == ["あ\n"] * 3
    kept = list((paths.cache() / "coverage").iterdir())
    assert len(kept) == 1, "no temporary file stays behind"
    assert json.loads(kept[0].read_text())["drawn"] == "あ"


def test_a_file_that_is_no_font_is_an_error_naming_the_face(place: Path) -> None:
    path = place / "noise.ttf"
    for content in (b"", b"not a font at all", b"\x00\x01\x00\x00" + bytes(64)):
        path.write_bytes(content)
        with pytest.raises(FontError, match=r"^face noise: .*noise\.ttf cannot be used: not a font"):
            coverage(face_of(path), "あ")


def test_a_truncated_font_is_an_error_naming_the_face(tricky: Path) -> None:
    content = tricky.read_bytes()
    tricky.write_bytes(content[: len(content) // 2])
    with pytest.raises(FontError, match=r"^face tricky: "):
        coverage(face_of(tricky), "あ")


def test_a_font_that_imagemagick_cannot_open_is_an_error_naming_the_face(tricky: Path) -> None:
    absent = str(tricky.with_name("gone.ttf"))
    with pytest.raises(FontError, match=r"^face tricky: .*gone\.ttf"):
        coverage(face_of(tricky, font=absent), "あ")


def test_a_missing_face_says_how_to_get_it() -> None:
    face = face_of(Path("x.ttf"), path=None)
    for ask in (lambda: coverage(face, "あ"), lambda: face.digest):
        with pytest.raises(FontError, match=r"face x is not installed: .*apt-get install -y fonts-x$"):
            ask()


def test_installed_faces_of_the_list_draw_all_kana(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KANATUI_FONT_PATH")
    present = [face for face in load_faces() if face.path]
    chosen = {face.style: face for face in present}.values()  # one of each style keeps the test short
    if not chosen:
        pytest.skip("no face of fonts.toml is installed")
    for face in chosen:
        assert coverage(face, KANA).all(), face.id


# --- The list


def test_the_shipped_list_holds_the_articles_faces_and_is_complete() -> None:
    faces = {face.id: face for face in load_faces()}
    assert {"noto-sans-cjk-jp-thin", "noto-sans-cjk-jp-medium", "noto-serif-cjk-jp-regular"} <= faces.keys()
    assert all(face.licence and face.package.startswith("fonts-") for face in faces.values())
    assert {face.style for face in faces.values()} == {"gothic", "mincho", "handwriting", "brush"}
    assert all(face.path is None for face in faces.values()), "KANATUI_FONT_PATH replaces the usual folders"


def test_the_users_file_adds_and_overrides(tricky: Path) -> None:
    shipped = [face.id for face in load_faces()]
    override = f'id = "klee-regular"\nfile = "{tricky}"\nstyle = "brush"\nweight = "thin"'
    write_list(user_file(), override, ENTRY)
    faces = load_faces()
    assert [face.id for face in faces] == [*shipped, "mine"]
    klee = next(face for face in faces if face.id == "klee-regular")
    assert (klee.path, klee.style, klee.package) == (tricky, "brush", "")
    assert faces[-1].path is None, "a file that is not there leaves the face missing"
    build_font(user_file().with_name("mine.ttf"), {"あ": "a"}, a=polygon(*TRIANGLE))
    assert load_faces()[-1].path == user_file().with_name("mine.ttf"), "relative to the list's own folder"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[face]]\nid = "a\n', r"not valid TOML: .*line 2, column 8"),
        ("[[face]]\n[[face", r"not valid TOML: .*at end of document"),
        ("faces = 1\n", "unknown key 'faces'"),
        ("face = 1\n", "it holds \\[\\[face\\]\\] tables"),
        (f"[[face]]\n{ENTRY}\nitalic = true\n", "face 'mine': unknown key 'italic'"),
        (f"[[face]]\n{ENTRY}\n[[face]]\n{ENTRY}\n", "face 'mine': the id is used twice"),
        (f"[[face]]\n{ENTRY}\n".replace("brush", "comic"), "face 'mine': style 'comic' is none of gothic"),
        (f"[[face]]\n{ENTRY}\n".replace("bold", "heavy"), "face 'mine': weight 'heavy' is none of thin"),
        (f"[[face]]\n{ENTRY}\n".replace("mine", "Mine"), "face 'Mine': the id is not lower-case"),
        (f"[[face]]\n{ENTRY}\nindex = -1\n", "face 'mine': index is not"),
        (f"[[face]]\n{ENTRY}\nindex = true\n", "face 'mine': index is not"),
        (f"[[face]]\n{ENTRY}\nglob = '*.ttf'\n", "exactly one of file, glob, name \\(it has file and glob\\)"),
        ("[[face]]\nid = 'x'\nstyle = 'brush'\nweight = 'bold'\n", "face 'x': needs exactly one"),
        ("[[face]]\nfile = 'x.ttf'\n", "face 1: lacks id, style, weight"),
        (f"[[face]]\n{ENTRY}\nlicence = 3\n", "face 'mine': a value that should be text"),
    ],
)
def test_a_wrong_list_is_an_error_naming_file_and_entry(text: str, message: str) -> None:
    user_file().parent.mkdir(parents=True)
    user_file().write_text(text)
    with pytest.raises(FontError, match=f"^{user_file()}: .*{message}") as caught:
        load_faces()
    assert "\n" not in str(caught.value)


def test_unreadable_lists_are_errors(place: Path) -> None:
    with pytest.raises(FontError, match=r"gone\.toml: cannot be read \(No such file"):
        load_faces([place / "gone.toml"])
    (place / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(FontError, match=r"latin\.toml: not UTF-8 text \(byte 2\)"):
        load_faces([place / "latin.toml"])


# --- The search


def test_globs_search_below_the_font_folders(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first/deep/down/A-2.ttf", "first/B.otf", "second/A-1.ttf", "second/B.otf"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"")
    monkeypatch.setenv(
        "KANATUI_FONT_PATH", os.pathsep.join(map(str, (place / "first", place / "second", place / "none")))
    )
    assert font_folders() == (place / "first", place / "second", place / "none")
    for pattern, expected in {
        "'**/B.otf'": "first/B.otf",
        "'B.otf'": "first/B.otf",
        "'A-1.ttf'": "second/A-1.ttf",
        "'**/A-?.ttf'": "first/deep/down/A-2.ttf",
        "'down/*.ttf'": None,
        "'**/down/*.ttf'": "first/deep/down/A-2.ttf",
        "['**/C.ttf', '**/A-1.ttf']": "second/A-1.ttf",
        f"'{place}/sec*/B.otf'": "second/B.otf",
    }.items():
        listed = write_list(place / "list.toml", f"id = 'x'\nglob = {pattern}\nstyle = 'gothic'\nweight = 'bold'")
        assert load_faces([listed])[-1].path == (place / expected if expected else None), pattern


def test_a_name_is_looked_up_in_imagemagick(place: Path) -> None:
    known = imagemagick.find().font_files()
    if not known:
        pytest.skip("ImageMagick knows no font by name here")
    name, path = next(iter(known.items()))
    entry = "id = 'x'\nname = '{}'\nstyle = 'gothic'\nweight = 'bold'"
    listed = write_list(place / "list.toml", entry.format(name), entry.format("No-Such-Font").replace("'x'", "'y'"))
    found, absent = load_faces([listed])[-2:]
    assert (found.font, found.path) == (name, path)
    assert absent.path is None


def test_a_later_font_of_a_collection_is_drawn_itself(place: Path) -> None:
    parts = (
        build_font(place / "0.ttf", {"あ": "a"}, a=polygon(*TRIANGLE)),
        build_font(place / "1.ttf", {"い": "a"}, a=polygon(*TRIANGLE)),
    )
    collection = TTCollection()
    collection.fonts = [TTFont(part) for part in parts]
    collection.save(place / "both.ttc")
    entry = "id = 'part-{0}'\nfile = 'both.ttc'\nindex = {0}\nstyle = 'gothic'\nweight = 'bold'"
    first, second = load_faces([write_list(place / "list.toml", entry.format(0), entry.format(1))])[-2:]
    assert first.digest != second.digest
    assert coverage(first, "あい").tolist() == [True, False]
    assert coverage(second, "あい").tolist() == [False, True]
    with pytest.raises(FontError, match=r"list\.toml: face 'part-2': it holds 2 fonts, so there is no index 2"):
        load_faces([write_list(place / "list.toml", entry.format(2))])


# --- The choice


def test_patterns_choose_faces_in_the_order_of_the_list() -> None:
    faces = load_faces()

    def ids(*patterns: str) -> list[str]:
        return [face.id for face in select_faces(faces, patterns)]

    every = [face.id for face in faces]
    assert ids() == ids("*") == every
    assert ids("klee-*") == ["klee-regular", "klee-semibold"]
    assert ids("seto-regular", "klee-regular") == ["klee-regular", "seto-regular"]
    assert ids("brush") == ids("style:brush") == [face.id for face in faces if face.style == "brush"]
    assert ids("klee-*", "-klee-semibold") == ["klee-regular"]
    assert ids("-handwriting") == [face.id for face in faces if face.style != "handwriting"]
    assert ids("-klee-*", "klee-regular") == [id for id in every if id != "klee-semibold"]


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["kleee-regular"], "no face matches 'kleee-regular' \\(did you mean klee-regular\\?"),
        (["style:handwritin"], "did you mean handwriting\\?"),
        (["*", "-nothing-*"], "no face matches 'nothing-\\*'"),
        (["brush", "-style:brush"], "none is left"),
    ],
)
def test_patterns_that_choose_nothing_are_errors(patterns: list[str], message: str) -> None:
    with pytest.raises(FontError, match=message):
        select_faces(load_faces(), patterns)


def test_the_install_command_names_each_missing_package_once(tricky: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present = face_of(tricky, package="fonts-there")
    missing = [face_of(tricky, path=None, package=package) for package in ("fonts-b", "fonts-a", "fonts-b", "")]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert install_command([present, *missing]) == "apt-get install -y fonts-a fonts-b"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert install_command(missing) == "sudo apt-get install -y fonts-a fonts-b"
    assert install_command([present]) == ""


# --- The command


def run(*arguments: str) -> Result:
    return CliRunner().invoke(fonts_command, arguments, env={"COLUMNS": "80"})


def test_the_command_shows_each_face_and_the_install_command(tricky: Path) -> None:
    (tricky.parent / "broken.ttf").write_bytes(b"nothing")
    entry = "id = '{0}'\nglob = '{0}.ttf'\nstyle = 'brush'\nweight = 'bold'\nlicence = 'MIT'\npackage = 'fonts-own'"
    write_list(user_file(), entry.format("tricky"), entry.format("broken"), entry.format("gone"))
    result = run("--characters", "あかき")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["fonts-own", "MIT"] in lines
    assert ["tricky", "brush", "bold", "present", "1/3"] in lines
    assert ["broken", "brush", "bold", "unusable", "0/3"] in lines
    assert ["gone", "brush", "bold", "missing"] in lines
    assert "tricky lacks かき" in result.stdout
    assert "face broken: " in result.stdout
    assert lines[-1][-1] == "fonts-yusei-magic"
    assert "apt-get install -y " in result.stdout
    table = result.stdout.partition("tricky lacks")[0].splitlines()
    assert max(len(line) for line in table) <= 80


def test_the_command_prints_json_and_filters(tricky: Path) -> None:
    write_list(user_file(), "id = 'tricky'\nglob = 'tricky.ttf'\nstyle = 'brush'\nweight = 'bold'")
    found = json.loads(run("--json", "--characters", "あか").stdout)
    assert found["characters"] == 2
    tricky_face = found["faces"][-1]
    assert tricky_face["path"] == str(tricky)
    assert (tricky_face["state"], tricky_face["drawn"], tricky_face["lacks"]) == ("present", 1, "か")
    missing = json.loads(run("--json", "--missing").stdout)["faces"]
    assert [face["id"] for face in missing] == [face["id"] for face in found["faces"][:-1]]


def test_without_any_face_the_command_fails_and_says_what_to_install() -> None:
    result = run()
    assert result.exit_code == 1
    assert "0 of" in result.stdout
    assert "apt-get install -y " in result.stdout
    assert json.loads(run("--json").stdout)["install"] == install_command(load_faces())
