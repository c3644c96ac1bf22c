"""The imaginary writers: what they write, and that it is always the same."""

import dataclasses
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from kanatui.cli.fonts import fonts_command
from kanatui.core.errors import FontError
from kanatui.dataset.layout import lay_out
from kanatui.dataset.recipe import Augment, Recipe
from kanatui.dataset.stream import GlyphStream
from kanatui.fonts import imagemagick
from kanatui.kana.alphabet import KANA
from kanatui.plugins import registry as plugins

REGISTRY = plugins.load()
PEN = REGISTRY.glyph_sources["pen"]
MODULE = sys.modules[PEN.__module__]


@pytest.fixture
def faces():
    return PEN().faces()


def recipe(**changes):
    size = Augment("size", 1.0, {"points": [192.0, 192.0]})
    return Recipe("x", [size], image_size=64, images_per_character=4, faces=["pen"]).but(**changes)


def test_lines_are_drawn_where_they_are_with_round_ends():
    lines = [np.array([[16.0, 32.0], [48.0, 32.0]]), np.array([[32.0, 10.0], [32.0, 20.0]])]
    first, second = imagemagick.find().strokes([(lines, 8.0), (lines[:1], 2.0)], 64)
    y, x = np.mgrid[:64, :64] + 0.5
    flat = np.hypot(x - np.clip(x, 16, 48), y - 32.0)
    upright = np.hypot(x - 32.0, y - np.clip(y, 10, 20))
    for image, distance, width in ((first, np.minimum(flat, upright), 8.0), (second, flat, 2.0)):
        assert (image[distance < width / 2 - 0.8] == 255).all()
        assert (image[distance > width / 2 + 0.8] == 0).all()


def test_every_writer_writes_all_kana(faces):
    assert len({face.id for face in faces}) == len(faces) >= 24
    assert {face.style for face in faces} == {"pen"}
    assert PEN().coverage(faces[0], KANA).all()
    assert PEN().coverage(faces[0], "aあ\U0010ffff ").tolist() == [True, True, False, False]


def test_all_keep_to_the_em_box(faces):
    for face in faces[::8]:
        for character in KANA:
            lines, pen = MODULE.write(face.id, character)
            places = np.concatenate(lines)
            assert 0.02 <= pen <= 0.1
            assert places.min() >= -1e-9 and places.max() <= 1 + 1e-9, (face.id, character)
            assert np.isfinite(places).all()


def test_writers_write_digits_in_several_ways(faces):
    for digit in "0123456789":
        written = [MODULE.write(face.id, digit)[0] for face in faces]
        assert all(abs(line - 0.5).max() < 0.5 + 1e-9 for lines in written for line in lines)
    bar = MODULE.strokes_of("7", 1)[1]
    assert np.ptp(bar[:, 0]) > 0.2 > 5 * np.ptp(bar[:, 1])
    with_base = sum(len(MODULE.write(face.id, "1")[0]) > 1 for face in faces)
    assert 3 <= with_base <= len(faces) / 2


def test_a_writer_writes_a_character_always_alike_and_each_otherwise(faces, monkeypatch, tmp_path):
    first, second = (PEN().masters(face, "あア", 64) for face in faces[:2])
    assert not np.array_equal(first.images[0], second.images[0])
    monkeypatch.setenv("KANATUI_HOME", str(tmp_path))  # an empty cache
    again = PEN().masters(faces[0], "アあ", 64)
    for image, same in zip(first.images, again.images[::-1], strict=True):
        assert np.array_equal(image, same)
    assert len({face.digest for face in faces}) == len(faces)


def test_hands_stay_near_what_is_taught(faces):
    """Every stroke is there, in its order and near its place; ways on which the pen is not lifted come after them."""
    taught = MODULE.strokes_of("ホ")
    means = []
    for face in faces:
        written, _ = MODULE.write(face.id, "ホ")
        assert len(taught) <= len(written) < 2 * len(taught)
        moved = [np.abs(a.mean(axis=0) - b.mean(axis=0)).max() for a, b in zip(written, taught, strict=False)]
        assert max(moved) < 0.35
        means.append(np.mean(moved))
    assert 0.01 < np.mean(means) < 0.08


def test_some_join_strokes_and_most_do_not(faces):
    joined = [len(MODULE.write(face.id, "ホ")[0]) > 4 for face in faces]
    assert 0 < sum(joined) < len(faces) / 2


@pytest.mark.parametrize("ends", [(0.3, 0.3), (-0.3, -0.3), (0.02, -0.02), (0.0, 0.0)])
def test_strokes_are_lengthened_along_themselves_by_a_quarter_at_most(ends):
    line = np.column_stack([np.linspace(0.0, 0.4, 9), np.full(9, 0.5)])
    longer = MODULE.lengthened(line, np.array(ends))
    start, end = np.clip(ends, -0.1, 0.1)
    assert longer[0] == pytest.approx([-start, 0.5])
    assert longer[-1] == pytest.approx([0.4 + end, 0.5])
    assert len(longer) >= 2


def test_they_are_placed_as_fonts_are():
    """In the middle of the image, and about as large as the kana of a font at the same point size."""

    def box(face):
        stream = GlyphStream(recipe(characters="あ", faces=[face], images_per_character=64), REGISTRY)
        ink = stream.images(np.arange(64)) > 64
        return [np.mean(end(flags.argmax(axis=1))) for flags, end in _ends(ink)]

    assert np.abs(np.subtract(box("pen"), box("klee-regular"))).max() <= 6


def _ends(ink):
    """Give rows and columns with ink, from either end, with what turns a place among them into one in the image."""
    for axis in (2, 1):
        flags = ink.any(axis=axis)
        yield flags, lambda place: place
        yield flags[:, ::-1], lambda place: 63 - place


def test_the_list_of_faces_tells_of_them(monkeypatch, tmp_path):
    monkeypatch.setenv("KANATUI_FONT_PATH", str(tmp_path))
    told = CliRunner().invoke(fonts_command, ["-c", "あ"], env={"COLUMNS": "200"}).output
    assert f"{MODULE.WRITERS} more faces, of style pen, from plugin pen: pen-01 … pen-{MODULE.WRITERS}" in told


def test_exact_rendering_has_no_font_for_them():
    with pytest.raises(FontError, match="no font that ImageMagick could draw by itself; use placed"):
        GlyphStream(recipe(characters="あ", rendering="exact"), REGISTRY).images([0])


def test_small_kana_are_smaller(faces):
    for face in faces[::12]:
        sides = [max(image.shape) for image in PEN().masters(face, "あつやアツヤぁっゃァッャ", 64).images]
        assert sum(sides[6:]) < 0.85 * sum(sides[:6])


def test_without_the_package_the_faces_are_missing_and_the_others_still_draw(monkeypatch):
    monkeypatch.setattr(MODULE, "kanji_folder", lambda: None)
    layout = lay_out(recipe(characters="あ", faces=["pen", "klee-regular"]), REGISTRY)
    assert [face.id for face in layout.faces] == ["klee-regular"]
    assert layout.missing_faces and all(face.style == "pen" for face in layout.missing_faces)


def test_a_writer_can_be_copied_as_other_faces_can(faces):
    assert dataclasses.replace(faces[0], weight="bold").digest == faces[0].digest
