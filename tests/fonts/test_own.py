"""Adding fonts to the user's own faces, and taking them out."""

from __future__ import annotations

import gzip
import json
import signal
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fontTools.ttLib import TTCollection, TTFont

from kanatui.cli.fonts import fonts_command
from kanatui.core.errors import FontError, StorageError
from kanatui.fonts import imagemagick, own
from kanatui.fonts.faces import Face, coverage, load_faces, user_file
from kanatui.fonts.own import Outcome, Wishes, add, remove
from tests.helpers.own_fonts import ENTRY, SOME, build_design, build_variable, pack, web_font, write_list

pytestmark = pytest.mark.usefixtures("place")

OFL = "This Font Software is licensed under the SIL Open Font License, Version 1.1."


def added(*given: Path, **wishes: object) -> list[Outcome]:
    outcomes: list[Outcome] = []
    add(given, Wishes(**{"characters": SOME, **wishes}), outcomes.append, lambda *_: None)
    return outcomes


def states(outcomes: list[Outcome]) -> list[str]:
    return [f"{outcome.state} {outcome.id}".strip() for outcome in outcomes]


def mine() -> dict[str, Face]:
    return {face.id: face for face in load_faces() if face.path is not None}


def inked(face: Face, character: str = "あ") -> float:
    return float(imagemagick.find().glyphs(face.drawn_font(), character, 64).sum(dtype=float))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(fonts_command, [str(argument) for argument in arguments], env={"COLUMNS": "80"})


# --- Kinds of font


def test_a_font_is_copied_listed_and_drawn(place: Path) -> None:
    font = build_design(place / "any name.ttf", "one", "Own Hand", "Bold", weight=700, licence=OFL)
    assert states(added(font)) == ["added own-hand-bold"]
    face = mine()["own-hand-bold"]
    assert (face.style, face.weight, face.licence) == ("handwriting", "bold", "OFL-1.1")
    assert face.path == user_file().with_name("fonts") / "own-hand-bold.ttf"
    font.unlink()
    assert coverage(face, SOME + "さ").tolist() == [True] * len(SOME) + [False]
    assert inked(face) > 0


def test_the_same_font_again_is_there_already(place: Path) -> None:
    font = build_design(place / "a.ttf", "one", "Own")
    added(font)
    before = user_file().read_bytes()
    assert states(added(font)) == states(added(web_font(font))) == ["there own-regular"]
    assert user_file().read_bytes() == before
    assert [path.name for path in own.fonts_folder().iterdir()] == ["own-regular.ttf"]


@pytest.mark.parametrize("flavour", ["woff", "woff2"])
def test_web_fonts_are_drawn_as_what_they_hold(place: Path, flavour: str) -> None:
    plain = build_design(place / "a.ttf", "one", "Own")
    web = web_font(plain, flavour)
    assert states(added(web)) == ["added own-regular"]
    listed = write_list(place / "list.toml", f"id = 'listed'\nfile = '{web}'\nstyle = 'brush'\nweight = 'bold'")
    direct = load_faces([listed])[-1]
    drawn = [imagemagick.find().glyphs(font, SOME, 64) for font in (str(plain), direct.drawn_font())]
    assert np.array_equal(*drawn)
    assert np.array_equal(drawn[0], imagemagick.find().glyphs(mine()["own-regular"].drawn_font(), SOME, 64))
    assert coverage(direct, SOME).all()


def test_each_font_of_a_collection_is_a_face(place: Path) -> None:
    collection = TTCollection()
    collection.fonts = [TTFont(build_design(place / f"{name}.ttf", name, f"Own {name}")) for name in ("A", "B")]
    collection.save(place / "both.ttc")
    assert states(added(place / "both.ttc")) == ["added own-a-regular", "added own-b-regular"]
    first, second = (inked(mine()[id]) for id in ("own-a-regular", "own-b-regular"))
    assert first != second
    remove(["own-*"])
    assert states(added(place / "both.ttc", link=True)) == ["added own-a-regular", "added own-b-regular"]
    linked = mine()
    assert [linked[id].index for id in ("own-a-regular", "own-b-regular")] == [0, 1]
    assert linked["own-b-regular"].path == place / "both.ttc"
    assert inked(linked["own-b-regular"]) == second
    assert states(added(place / "both.ttc", link=True)) == ["there own-a-regular", "there own-b-regular"]


def test_a_variable_font_gives_a_face_for_each_instance_that_adds_something(place: Path) -> None:
    font = build_variable(place / "Own[wght].ttf", "one", "Own")
    outcomes = added(font, alike=True)
    assert states(outcomes) == ["added own-thin", "added own-black", "added own-regular"]
    assert [outcome.weight for outcome in outcomes] == ["thin", "black", "regular"]
    faces = mine()
    assert inked(faces["own-thin"]) < inked(faces["own-regular"]) < inked(faces["own-black"])
    assert "fvar" not in TTFont(faces["own-black"].path)
    assert states(added(font)) == ["there own-thin", "there own-black", "there own-regular"]


def test_a_weight_between_two_others_is_refused(place: Path) -> None:
    for name, weight, bold in (("Light", 300, 0.0), ("Regular", 400, 0.3), ("Bold", 700, 0.8)):
        build_design(place / "fonts" / f"{name}.ttf", "one", "Own", name, weight=weight, bold=bold)
    (outcome,) = (outcome for outcome in added(place / "fonts") if outcome.state == "refused")
    assert "Own Regular" in outcome.name
    assert mine().keys() == {"own-light", "own-bold"}


def test_an_entry_chooses_an_instance_by_name_or_axis(place: Path) -> None:
    font = build_variable(place / "fonts" / "Own[wght].ttf", "one", "Own")
    entry = "id = '{0}'\nglob = '**/Own[wght].ttf'\ninstance = '{1}'\nstyle = 'brush'\nweight = 'bold'"
    chosen = {"thin": "Thin", "black": "Black", "axis": "wght=900", "odd": "Heavy", "out": "wght=1000"}
    listed = write_list(place / "list.toml", *(entry.format(*pair) for pair in chosen.items()))
    thin, black, axis, odd, out = load_faces([listed])[-5:]
    assert thin.path == font
    assert len({face.digest for face in (thin, black, odd)}) == 3
    assert inked(thin) < inked(black) == inked(axis)
    with pytest.raises(FontError, match=r"face odd: .*no instance 'Heavy': there are Thin, Regular, Black, and axes w"):
        coverage(odd, SOME)
    with pytest.raises(FontError, match=r"face out: .*wght=1000 is outside 100 to 900"):
        coverage(out, SOME)


# --- Packages


def fontsource(place: Path, files: dict[str, Path], category: str = "handwriting") -> Path:
    about = {"family": "Own", "category": category, "license": {"type": "OFL-1.1"}}
    content = {f"package/files/{name}": path for name, path in files.items()}
    return pack(place / "fontsource-own-1.0.0.tgz", {**content, "package/metadata.json": json.dumps(about).encode()})


def test_a_package_in_parts_is_put_together(place: Path) -> None:
    parts = {}
    for number, some in enumerate((SOME[:4], SOME[4:7], SOME[7:])):
        part = build_design(place / f"{number}.ttf", "one", "Own", characters=some)
        parts |= {f"own-{number}-400-normal.{kind}": web_font(part, kind) for kind in ("woff", "woff2")}
    outcomes = added(fontsource(place, parts))
    assert states(outcomes) == ["added own-regular"]
    assert (outcomes[0].style, outcomes[0].licence, outcomes[0].drawn) == ("handwriting", "OFL-1.1", len(SOME))
    whole = build_design(place / "whole.ttf", "one", "Own")
    glyphs = [imagemagick.find().glyphs(font, SOME, 64) for font in (str(whole), mine()["own-regular"].drawn_font())]
    assert np.array_equal(*glyphs)


def test_a_package_with_the_whole_font_and_its_parts_gives_the_whole_font(place: Path) -> None:
    whole = web_font(build_design(place / "whole.ttf", "one", "Own", characters=SOME + "A漢"))
    part = web_font(build_design(place / "part.ttf", "one", "Own", characters=SOME[:4]))
    added(fontsource(place, {"own-0-400-normal.woff2": part, "own-japanese-400-normal.woff2": whole}))
    assert coverage(mine()["own-regular"], SOME + "A漢").all()


def test_a_variable_package_in_parts_is_put_together_at_each_instance(place: Path) -> None:
    parts = {}
    for number, some in enumerate((SOME[:5], SOME[5:])):
        part = build_variable(place / f"{number}.ttf", "one", "Own", characters=some)
        parts[f"own-{number}-wght-normal.woff2"] = web_font(part)
    assert states(added(fontsource(place, parts), alike=True))[:2] == ["added own-thin", "added own-black"]
    faces = mine()
    assert coverage(faces["own-black"], SOME).all()
    assert inked(faces["own-thin"], SOME[-1]) < inked(faces["own-black"], SOME[-1])


def test_folders_and_zip_files_give_all_their_fonts(place: Path) -> None:
    folder = place / "fonts" / "below"
    folder.mkdir()
    build_design(folder / "a.ttf", "one", "A")
    (folder / "readme.txt").write_text("no font")
    (folder / ".hidden.ttf").write_bytes(b"")
    with zipfile.ZipFile(place / "fonts" / "b.zip", "w") as zipped:
        zipped.write(build_design(place / "b.ttf", "two", "B"), "static/b.ttf")
    assert states(added(place / "fonts")) == ["added b-regular", "added a-regular"]


# --- What is refused


def test_near_duplicates_are_refused_unless_wanted(place: Path) -> None:
    first, second = (
        build_design(place / f"{name}.ttf", "one", name, bold=bold) for name, bold in (("A", 0), ("B", 0.02))
    )
    other = build_design(place / "c.ttf", "two", "C")
    outcomes = added(first, second, other)
    assert states(outcomes) == ["added a-regular", "refused", "added c-regular"]
    assert "near-duplicate of a-regular: likeness 0.99" in outcomes[1].why
    assert len(list(own.fonts_folder().iterdir())) == 2
    assert states(added(second, alike=True)) == ["added b-regular"]


def test_a_face_without_the_characters_is_refused(place: Path) -> None:
    (outcome,) = added(build_design(place / "a.ttf", "one", "A"), characters="アイウ")
    assert (outcome.state, "draws none" in outcome.why) == ("refused", True)
    assert not user_file().exists()
    (outcome,) = added(build_design(place / "b.ttf", "one", "B"), characters=SOME[:6] + "ア")
    assert (outcome.state, outcome.drawn, outcome.lacks) == ("added", 6, "ア")


def test_ids_are_kept_unique(place: Path) -> None:
    given = [build_design(place / f"{number}.ttf", f"design {number}", "Own Face") for number in range(3)]
    assert states(added(*given)) == ["added own-face-regular", "added own-face-regular-2", "added own-face-regular-3"]
    japanese = build_design(place / "手書き.ttf", "another", "手書き")
    (outcome,) = added(japanese)
    assert outcome.state == "added" and mine()[outcome.id].path.name == f"{outcome.id}.ttf"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.ttf", b"", "not a readable font"),
        ("a.otf", b"hello", "not a readable font"),
        ("a.woff2", b"wOF2" + bytes(80), "not a readable font"),
        ("a.txt", b"hello", "neither a font nor an archive"),
        ("a.tgz", b"hello", "not a whole archive"),
        ("a.zip", b"PK\x03\x04", "not a whole archive"),
        ("a.tgz", gzip.compress(b"hello" * 1000), "not a whole archive"),
    ],
    ids=["empty", "text.otf", "zeros.woff2", "txt", "text.tgz", "start.zip", "no.tar"],
)
def test_what_is_no_font_is_named_and_the_rest_is_added(place: Path, name: str, content: bytes, why: str) -> None:
    (place / name).write_bytes(content)
    good = build_design(place / "good.ttf", "one", "Good")
    outcomes = added(place / name, place / "gone.ttf", good)
    assert sorted(states(outcomes)) == ["added good-regular", "failed", "failed"]
    reasons = {outcome.name: outcome.why for outcome in outcomes}
    assert why in reasons[str(place / name)]
    assert "no such file" in reasons[str(place / "gone.ttf")]


def test_truncated_fonts_and_tarballs_are_named(place: Path) -> None:
    font = build_design(place / "a.ttf", "one", "A")
    package = pack(place / "b.tgz", {"files/b.ttf": font, "files/c.ttf": build_design(place / "c.ttf", "two", "C")})
    for path in (font, package):
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert states(added(font, package)) == ["failed", "failed"]
    assert not user_file().exists() and not list(own.fonts_folder().glob("*"))


@pytest.mark.parametrize("name", ["../../evil.ttf", "/tmp/evil.ttf", "package/../../evil.ttf"])
def test_nothing_leaves_its_folder(place: Path, name: str) -> None:
    package = pack(place / "a.tgz", {name: build_design(place / "a.ttf", "one", "A")})
    before = {path for path in place.rglob("*") if "home" not in path.parts}
    (outcome,) = added(package)
    assert "leads out of it" in outcome.why
    assert {path for path in place.rglob("*") if "home" not in path.parts} == before
    assert not mine()


def test_links_in_an_archive_are_passed_over(place: Path) -> None:
    secret = build_design(place / "secret.ttf", "one", "Secret")
    with tarfile.open(place / "a.tgz", "w:gz") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"files/{kind.decode()}.ttf")
            member.type, member.linkname = kind, str(secret)
            tar.addfile(member)
    (outcome,) = added(place / "a.tgz")
    assert "no fonts in it" in outcome.why


@pytest.mark.parametrize("kind", ["tar", "zip", "header"])
def test_an_archive_far_larger_inside_is_refused(place: Path, kind: str) -> None:
    size, path = 300 * 2**20, place / f"bomb.{'zip' if kind == 'zip' else 'tgz'}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped, zipped.open("a.ttf", "w") as file:
            for _ in range(size // 2**20):
                file.write(bytes(2**20))
    else:
        with gzip.open(path, "wb", compresslevel=1) as stream:
            member = tarfile.TarInfo("a.ttf")
            member.size = size
            member.type = tarfile.XHDTYPE if kind == "header" else tarfile.REGTYPE
            stream.write(member.tobuf(tarfile.USTAR_FORMAT))
            for _ in range(size // 2**20):
                stream.write(bytes(2**20))
    (outcome,) = added(path)
    assert "far larger inside" in outcome.why
    assert not list(own.fonts_folder().glob("*"))


# --- Nothing half done


def test_ctrl_c_leaves_what_was_added_and_nothing_else(place: Path) -> None:
    given = [build_design(place / f"{n}.ttf", f"design {n}", f"Own {n}") for n in range(3)]
    outcomes: list[Outcome] = []

    def interrupt(outcome: Outcome) -> None:
        outcomes.append(outcome)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        add(given, Wishes(SOME), interrupt, lambda *_: None)
    assert mine().keys() == {"own-0-regular"}
    assert [path.name for path in own.fonts_folder().iterdir()] == ["own-0-regular.ttf"]
    assert states(added(*given)) == ["there own-0-regular", "added own-1-regular", "added own-2-regular"]


def test_a_list_that_cannot_be_written_leaves_no_copy(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    font = build_design(place / "a.ttf", "one", "A")
    user_file().mkdir(parents=True)  # a folder in its place
    with pytest.raises((FontError, StorageError), match="fonts.toml"):
        added(font)
    assert not list(own.fonts_folder().glob("*"))


def test_a_broken_list_stays_as_it_is(place: Path) -> None:
    write_list(user_file(), ENTRY).write_text("[[face]\n")
    with pytest.raises(FontError, match="not valid TOML"):
        added(build_design(place / "a.ttf", "one", "A"))
    with pytest.raises(FontError, match="not valid TOML"):
        remove(["mine"])
    assert user_file().read_text() == "[[face]\n"


def test_two_at_once_do_not_mix(place: Path) -> None:
    font = build_design(place / "a.ttf", "one", "A")

    def second(*_: object) -> None:
        with pytest.raises(StorageError, match="another kanatui is writing"):
            added(font)

    add([font], Wishes(SOME), second, lambda *_: None)
    assert mine().keys() == {"a-regular"}


def test_a_font_that_lies_among_the_copies_is_not_lost(place: Path) -> None:
    own.fonts_folder().mkdir(parents=True)
    given = build_design(own.fonts_folder() / "a-regular.ttf", "one", "A")
    before = given.read_bytes()
    assert states(added(given, characters="アイウ")) == ["refused"]
    assert states(added(given)) == ["added a-regular"]
    assert states(added(given)) == ["there a-regular"]
    remove(["a-regular"])
    assert given.read_bytes() == before and list(own.fonts_folder().iterdir()) == [given]


# --- The rest of the file


LIST = """# My faces.

[[face]]  # the first
id = "mine"
file = 'mine.ttf'
# a comment inside
style = "brush"
weight = "bold"

# About the next one.
[[face]]
id = "wrong"
glob = [
  "a.ttf",
]
style = "comic"
weight = "bold"
# The end."""


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_adding_and_removing_leave_the_rest_as_it_was(place: Path, end: str) -> None:
    write_list(user_file()).write_text(LIST + end)
    added(build_design(place / "a.ttf", "one", 'A "quoted" \\ name', licence="OFL"))
    assert user_file().read_text().startswith(LIST + end)
    remove(["a-*"])
    assert user_file().read_text().rstrip("\n") == LIST
    assert not list(own.fonts_folder().iterdir())


def test_removing_keeps_comments_and_other_entries(place: Path) -> None:
    write_list(user_file()).write_text(LIST)
    assert remove(["mine"]) == ["mine"]
    assert user_file().read_text().split("\n")[:4] == ["# My faces.", "", "# About the next one.", "[[face]]"]
    assert remove(["wr*"]) == ["wrong"]
    assert user_file().read_text() == "# My faces.\n\n# About the next one.\n# The end."


def test_a_linked_variable_font_is_drawn_at_its_instance(place: Path) -> None:
    font = build_variable(place / "Own[wght].ttf", "one", "Own")
    assert states(added(font, link=True, alike=True))[:2] == ["added own-thin", "added own-black"]
    faces = mine()
    assert faces["own-black"].path == font and inked(faces["own-thin"]) < inked(faces["own-black"])
    assert states(added(font, link=True)) == ["there own-thin", "there own-black", "there own-regular"]
    (outcome,) = added(pack(place / "a.tgz", {"a.ttf": build_design(place / "a.ttf", "two", "A")}), link=True)
    assert "leave out --link" in outcome.why


def test_removing_leaves_linked_fonts_alone(place: Path) -> None:
    font = build_design(place / "a.ttf", "one", "A")
    added(font, link=True)
    assert mine()["a-regular"].path == font and not list(own.fonts_folder().iterdir())
    remove(["a-regular"])
    assert font.exists() and not user_file().exists()


def test_what_cannot_be_removed_is_named(place: Path) -> None:
    added(build_design(place / "a.ttf", "one", "A"))
    before = user_file().read_bytes()
    for pattern, message in {
        "klee-regular": "ships with kanatui",
        "a-reglar": "did you mean a-regular",
        "nothing": "there are a-regular",
    }.items():
        with pytest.raises(FontError, match=message):
            remove(["a-regular", pattern])
        assert user_file().read_bytes() == before and mine()


def test_a_list_written_another_way_is_not_edited(place: Path) -> None:
    text = 'face = [{id = "mine", file = "m.ttf", style = "brush", weight = "bold"}]\n'
    write_list(user_file()).write_text(text)
    with pytest.raises(FontError, match="by hand"):
        remove(["mine"])
    assert user_file().read_text() == text


def test_a_list_that_is_a_link_stays_one(place: Path) -> None:
    elsewhere = place / "dotfiles.toml"
    elsewhere.write_text("# mine\n")
    user_file().parent.mkdir(parents=True)
    user_file().symlink_to(elsewhere)
    added(build_design(place / "a.ttf", "one", "A"))
    assert user_file().is_symlink() and "a-regular" in elsewhere.read_text()
    assert mine().keys() == {"a-regular"}


# --- The commands


def test_the_commands_say_what_they_did(place: Path) -> None:
    font = build_design(place / "a.ttf", "one", "A", licence=OFL)
    result = run("add", font, "-c", SOME, "--style", "brush", "--weight", "light")
    assert result.stdout == "added a-regular: brush, light, draws 10/10, OFL-1.1\n"
    assert run("add", font, "-c", SOME).stdout == f"{font} (A Regular) is there already: a-regular\n"
    (listed,) = (face for face in json.loads(run("-c", SOME, "--json").stdout)["faces"] if face["id"] == "a-regular")
    assert (listed["state"], listed["style"], listed["drawn"]) == ("present", "brush", 10)
    assert run("remove", "a-regular").stdout == "removed a-regular\n"
    result = run("add", font, "-c", SOME, "--json")
    assert json.loads(result.stdout)[0]["state"] == "added" and result.exit_code == 0
    assert json.loads(run("remove", "*", "--json").stdout) == {"removed": ["a-regular"]}


def test_the_command_fails_if_a_file_is_no_font_or_all_is_refused(place: Path) -> None:
    font, twin = (build_design(place / f"{name}.ttf", "one", name, bold=bold) for name, bold in (("A", 0), ("B", 0.02)))
    (place / "c.ttf").write_bytes(b"no font")
    result = run("add", font, place / "c.ttf", "-c", SOME)
    assert result.exit_code == 1 and "added a-regular" in result.stdout
    assert str(place / "c.ttf") in result.stderr and "Traceback" not in result.stderr
    result = run("add", twin, "-c", SOME)
    assert result.exit_code == 1 and "near-duplicate of a-regular" in result.stdout
    assert "'comic' is none of gothic" in run("add", font, "--style", "comic").stderr


def test_many_fonts_without_the_characters_take_one_line(place: Path) -> None:
    given = [build_design(place / f"{n}.ttf", f"design {n}", f"Own {n}") for n in range(6)]
    result = run("add", *given, "-c", "アイウ")
    assert result.exit_code == 1
    assert result.stdout.startswith("not added: 6 fonts, each because it draws none") and result.stdout.count("\n") == 1


def test_an_added_face_is_drawn_by_preview(place: Path, kanatui) -> None:  # type: ignore[no-untyped-def]
    font = web_font(build_design(place / "a.ttf", "one", "A"))
    kanatui("fonts", "add", font, "-c", SOME, check=0)
    kanatui("preview", "--faces", "a-regular", "-c", SOME, "--count", 9, "--png", place / "sheet.png", check=0)
    assert (place / "sheet.png").stat().st_size > 1000


def test_one_wrong_entry_leaves_the_other_faces_alone(place: Path, kanatui, one_line_error) -> None:  # type: ignore[no-untyped-def]
    font = build_design(place / "fonts" / "a.ttf", "one", "A")
    (place / "noise.ttf").write_bytes(b"noise")
    collection = TTCollection()
    collection.fonts = [TTFont(font)]
    collection.save(place / "b.ttc")
    rest = "style = 'brush'\nweight = 'bold'"
    write_list(
        user_file(),
        f"id = 'good'\nfile = '{font}'\n{rest}",
        f"id = 'index'\nfile = '{place}/b.ttc'\nindex = 99\n{rest}",
        f"id = 'noise'\nfile = '{place}/noise.ttf'\n{rest}",
        f"id = 'style'\nfile = '{font}'\nstyle = 'comic'\nweight = 'bold'",
    )
    arguments = ("preview", "-c", SOME, "--count", 4, "--png", place / "sheet.png")
    result = kanatui(*arguments, "--faces", "good", check=0)
    assert "left out" not in result.stderr
    result = kanatui(*arguments, "--faces", "good,index,noise,style", check=0)
    for id, why in (("index", "no index 99"), ("noise", "not a readable font"), ("style", "style 'comic' is none of")):
        assert any(id in line and "left out" in line and why in line for line in result.stderr.splitlines()), id
    one_line_error(kanatui(*arguments, "--faces", "index"), 1, "face index", "no index 99")
    rows = {face["id"]: face for face in json.loads(kanatui("fonts", "--json", "-c", SOME).stdout)["faces"]}
    assert [rows[id]["state"] for id in ("good", "index", "noise", "style")] == ["present"] + ["unusable"] * 3
