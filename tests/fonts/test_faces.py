"""What a font truly draws, whatever it promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kanatui.core import paths
from kanatui.core.errors import FontError
from kanatui.fonts.faces import coverage, load_faces
from kanatui.kana.alphabet import KANA
from tests.helpers.own_fonts import TRIANGLE, build_font, face_of, polygon

pytestmark = pytest.mark.usefixtures("place")


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
        "import sys; from pathlib import Path; from kanatui.fonts.faces import *\n"
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
        with pytest.raises(FontError, match=r"^face noise: .*noise\.ttf cannot be used: not a readable font"):
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
