"""The list of faces, where they are searched, how they are chosen, and the command that shows them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fontTools.ttLib import TTCollection, TTFont

from kanatui.cli.fonts import fonts_command
from kanatui.core.errors import FontError
from kanatui.fonts import imagemagick
from kanatui.fonts.faces import coverage, install_command, load_faces, select_faces, user_file
from kanatui.fonts.folders import font_folders
from tests.helpers.own_fonts import ENTRY, TRIANGLE, build_font, face_of, polygon, write_list

pytestmark = pytest.mark.usefixtures("place")

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
        ("face = 1\n", "only \\[\\[face\\]\\] tables are allowed"),
    ],
)
def test_a_file_that_is_no_list_is_an_error_naming_it(text: str, message: str) -> None:
    user_file().parent.mkdir(parents=True)
    user_file().write_text(text)
    with pytest.raises(FontError, match=f"^{user_file()}: .*{message}") as caught:
        load_faces()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "id", "message"),
    [
        (f"{ENTRY}\nitalic = true", "mine", "face 'mine': unknown key 'italic'"),
        (ENTRY.replace("brush", "comic"), "mine", "face 'mine': style 'comic' is none of gothic"),
        (ENTRY.replace("bold", "heavy"), "mine", "face 'mine': weight 'heavy' is none of thin"),
        (ENTRY.replace('id = "mine"', 'id = "Mine"'), "entry-2", "face 'Mine': the id is not lower-case"),
        (f"{ENTRY}\nindex = -1", "mine", "face 'mine': index is not"),
        (f"{ENTRY}\nindex = true", "mine", "face 'mine': index is not"),
        (f"{ENTRY}\nglob = '*.ttf'", "mine", "exactly one of file, glob, name \\(it has file and glob\\)"),
        ("id = 'x'\nstyle = 'brush'\nweight = 'bold'", "x", "face 'x': needs exactly one"),
        ("file = 'x.ttf'", "entry-2", "face 2: lacks id, style, weight"),
        (f"{ENTRY}\nlicence = 3", "mine", "face 'mine': a value that should be text"),
        (f"{ENTRY}\ninstance = 3", "mine", "face 'mine': a value that should be text"),
        (ENTRY.replace('"mine"', '"good"'), "entry-2", "face 'good': the id is used twice"),
        ("id = 'x'\nglob = '/a**/b'\nstyle = 'brush'\nweight = 'bold'", "x", "face 'x': Invalid pattern"),
    ],
)
def test_a_wrong_entry_is_a_face_that_says_why_and_harms_no_other(entry: str, id: str, message: str) -> None:
    write_list(user_file(), ENTRY.replace('"mine"', '"good"'), entry)
    *others, good, wrong = load_faces()
    assert (good.id, good.problem, wrong.id, wrong.path) == ("good", "", id, None)
    assert others and not any(face.problem for face in others)
    for ask in (lambda: coverage(wrong, "あ"), lambda: wrong.digest):
        with pytest.raises(FontError, match=f"{user_file()}: .*{message}"):
            ask()


def test_unreadable_lists_are_errors(place: Path) -> None:
    with pytest.raises(FontError, match=r"gone\.toml: cannot be read \(No such file"):
        load_faces([place / "gone.toml"])
    (place / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(FontError, match=r"latin\.toml: not UTF-8 text \(byte 2\)"):
        load_faces([place / "latin.toml"])


# --- The search


def test_globs_search_below_the_font_folders(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("first/deep/down/A-2.ttf", "first/B.otf", "second/A-1.ttf", "second/B.otf", "second/[x]/V[wght].ttf")
    for name in names:
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
        "'**/V[wght].ttf'": "second/[x]/V[wght].ttf",
        "'**/[x]/V*.ttf'": "second/[x]/V[wght].ttf",
        "'**/[BC].otf'": "first/B.otf",
        f"'{place}/second/[x]/V[wght].ttf'": "second/[x]/V[wght].ttf",
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
    with pytest.raises(FontError, match=r"face part-2: .*both\.ttc cannot be used: it holds 2 fonts, so there is no i"):
        coverage(load_faces([write_list(place / "list.toml", entry.format(2))])[-1], "あ")


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
