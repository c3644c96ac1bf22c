"""Glyph sources with settings, in recipes, as typed and in caches; and the one that reads a folder of pictures."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from kanatui.cli import run as run_command
from kanatui.core.errors import FontError, ParameterError, PluginError, RecipeError
from kanatui.dataset.layout import lay_out
from kanatui.dataset.mastercache import MasterCache
from kanatui.dataset.open import open_source
from kanatui.dataset.recipe import Augment, Recipe, find_recipe, read_recipe
from kanatui.dataset.stream import GlyphStream
from kanatui.engine import jobs
from kanatui.engine.context import Context
from kanatui.plugins import registry as plugins
from kanatui.testing import assert_sound

REGISTRY = plugins.load()
SIZE = Augment("size", 1.0, {"points": [128.0, 128.0]})


@pytest.fixture
def folder(tmp_path):
    """Pictures of two characters: bars upright and level, in the middle of their em boxes, as wide as half of them."""
    place = tmp_path / "glyphs"
    place.mkdir()
    bar = np.full((200, 200), 255, dtype=np.uint8)
    bar[50:150, 90:110] = 0
    Image.fromarray(bar).save(place / "U+3042.png")
    transparent = np.zeros((100, 100, 4), dtype=np.uint8)
    transparent[45:55, 25:75, 3] = 255
    Image.fromarray(transparent, "RGBA").save(place / "い.png")
    Image.new("L", (64, 64), 255).save(place / "u.png")
    (place / "notes.txt").write_text("not a picture")
    return place


def recipe(folder, **settings):
    settings = {"folder": str(folder), **settings}
    fields = {"characters": "あいう", "faces": ["pictures"], "image_size": 64, "images_per_character": 2}
    return Recipe("x", [SIZE], sources={"pictures": settings}, **fields)


def test_a_folder_of_pictures_is_a_face(folder):
    stream = GlyphStream(recipe(folder), REGISTRY)
    assert (stream.characters, stream.layout.undrawable) == ("あい", "う"), "an empty picture is none of a character"
    upright, level = stream.images([0, 2])
    for image in (upright, level.T):  # the em is 32 of 64 pixels: a bar of 16 × 3.2
        assert image.sum() / 255 == pytest.approx(16 * 3.2, rel=0.05)
        ink = np.argwhere(image > 127)
        assert np.abs(ink.mean(axis=0) - 31.5).max() < 1.5
        assert np.ptp(ink, axis=0).tolist()[0] in (14, 15, 16)


def test_image_i_is_a_function_of_the_recipe_also_in_other_processes_and_files(folder, tmp_path, capsys):
    made = recipe(folder).but(images_per_character=30)
    stream = GlyphStream(made, REGISTRY)
    images = stream.images(np.arange(len(stream)))
    again = open_source(json.loads(json.dumps(stream.spec())))
    assert (again.images(np.arange(len(stream))[::-1]) == images[::-1]).all()
    file = tmp_path / "made.toml"
    file.write_text(made.to_toml())
    assert read_recipe(file).but(name="x").to_dict() == made.to_dict()
    typed = ["--set", f"pictures.folder={folder}", "--faces", "pictures", "--characters", "あいう"]
    assert run_command(["recipes", "show", "quick", *typed]) == 0
    assert f'[[source]]\nplugin = "pictures"\nfolder = "{folder}"' in capsys.readouterr().out


def test_settings_of_sources_are_part_of_the_fingerprint(folder):
    made = recipe(folder)
    assert made.but(sources={}).fingerprint() != made.fingerprint()
    assert recipe(folder, style="brush").fingerprint() != made.fingerprint()
    assert "source" not in find_recipe("quick").to_dict()


def test_another_picture_is_drawn_though_the_old_one_is_cached(folder):
    first = GlyphStream(recipe(folder), REGISTRY).images([0])
    Image.open(folder / "U+3042.png").transpose(Image.Transpose.ROTATE_90).save(folder / "U+3042.png")
    second = GlyphStream(recipe(folder), REGISTRY).images([0])
    assert (first != second).any() and np.abs(first[0].T.astype(int) - second[0]).mean() < 1


@pytest.mark.parametrize(
    ("sources", "error", "words"),
    [
        ({"pictures": {"folders": "/"}}, ParameterError, r"pictures\.folders: no such parameter \(it has: folder, st"),
        ({"pictures": {"folder": "/no/such"}}, ParameterError, r"pictures\.folder: /no/such: no such file or folder"),
        ({"pictures": {"folder": "glyphs"}}, ParameterError, r"pictures\.folder: 'glyphs' is relative"),
        ({"pictures": {"style": "neat"}}, ParameterError, r"pictures\.style: 'neat' is not one of"),
        ({"fonts": {"size": 3}}, ParameterError, r"fonts\.size: no such parameter \(it has: none\)"),
        ({"picture": {"folder": ""}}, PluginError, r"unknown glyph source 'picture' \(there are: fonts, pen, pic"),
    ],
)
def test_wrong_settings_are_named(sources, error, words):
    with pytest.raises(error, match=words):
        lay_out(Recipe(images_per_character=1, sources=sources), REGISTRY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source = 3", r"recipe\.source: not an array of tables \(\[\[source\]\]\)"),
        ('[[source]]\nfolder = "/"', r"recipe\.source: a source lacks its plugin"),
        ('[[source]]\nplugin = "pen"\n[[source]]\nplugin = "pen"', r"recipe\.source: pen is there twice"),
    ],
)
def test_wrong_tables_are_named_with_their_file(tmp_path, text, words):
    file = tmp_path / "mine.toml"
    file.write_text(f"images_per_character = 1\n{text}\n")
    with pytest.raises(RecipeError, match=rf"mine\.toml: {words}"):
        read_recipe(file)


def test_what_is_typed_wrong_is_told_and_a_folder_without_pictures(folder, tmp_path, capsys):
    bare = tmp_path / "bare"
    bare.mkdir()
    for typed, words in (
        (["--set", "pictures.style=neat"], "--set pictures.style=neat: pictures.style: 'neat' is not one of"),
        (["--set", "pictures.x=1"], "pictures.x: no such parameter"),
        (["--faces", "pictures"], "--faces pictures: no face matches 'pictures'"),
        (["--set", f"pictures.folder={bare}", "--faces", "pictures"], "no picture in it has a character's name"),
    ):
        assert run_command(["generate", "quick", "--dry-run", *typed]) in (1, 2)
        assert words in " ".join(capsys.readouterr().err.split())
    (folder / "い.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FontError, match=r"い\.png: "):
        lay_out(recipe(folder), REGISTRY)


def test_the_shipped_source_keeps_the_rules(folder):
    shipped = REGISTRY.glyph_sources["pictures"]
    declared = dataclasses.replace(shipped.folder, default=str(folder))
    assert_sound(type("OfThisTest", (shipped,), {"__doc__": "A folder.", "folder": declared}))


SIDED = '''
"""Draw every character as a square of a side that can be set."""

from pathlib import Path

import numpy as np

from kanatui import Float, GlyphSource, hookimpl
from kanatui.fonts.faces import Face
from kanatui.fonts.masters import picture_masters


class Sided(GlyphSource):
    id = "sided"
    side = Float(0.5, min=0.1, max=1.0, help="side of the square in ems")

    def faces(self):
        return [Face("sided-plain", "gothic", "regular", "CC0", "", Path(__file__), 0, "", source="sided")]

    def coverage(self, face, characters):
        return np.ones(len(characters), dtype=bool)

    def masters(self, face, characters, em):
        square = np.zeros((em, em), dtype=np.uint8)
        square[: round(self.side * em), : round(self.side * em)] = 255
        return picture_masters(face, characters, em, lambda character: square, 0.75)


@hookimpl
def kanatui_glyph_sources():
    return [Sided]
'''


@pytest.fixture
def sided(tmp_path):
    """The registry with a source whose digest does not tell its settings."""
    file = tmp_path / "sided.py"
    file.write_text(SIDED)
    registry, module = plugins.load_alone(file)
    assert module.state == "loaded", module.error
    return registry


def square(side):
    fields = {"characters": "あ", "faces": ["sided-*"], "image_size": 64, "images_per_character": 1}
    return Recipe("x", [SIZE], sources={"sided": {"side": side}}, **fields)


def test_masters_are_cached_by_the_settings_though_a_plugin_does_not_think_of_it(sided):
    for side in (0.5, 0.75, 0.5, 1.0):
        (image,) = GlyphStream(square(side), sided).images([0])
        assert image.sum() / 255 == pytest.approx((32 * side) ** 2, rel=0.02)
    cache = MasterCache()
    for side in (0.25, 0.5):
        layout = lay_out(square(side), sided)
        masters = cache.masters(layout.glyph_sources["sided"], layout.faces[0], "あ", 128)
        assert masters.images[0].shape == (round(side * 128),) * 2


@pytest.mark.parametrize("settings", [{"side": 0.25}, {}])
def test_a_source_is_made_once(sided, settings, monkeypatch):
    made = []

    class Counted(sided.glyph_sources["sided"]):
        """A sided one, counted."""

        def __init__(self, **values):
            made.append(values)
            super().__init__(**values)

    monkeypatch.setitem(sided.glyph_sources, "sided", Counted)
    sources = square(0.25).but(sources={"sided": settings}).glyph_sources(sided)
    assert made == [settings] and sources["sided"].side == settings.get("side", 0.5)


def test_the_app_lists_the_faces_of_the_settings_that_it_sends(folder, monkeypatch):
    monkeypatch.setenv("KANATUI_FONT_PATH", str(folder))  # no fonts, for speed
    context = Context()

    def listed(**arguments):
        answer = jobs.find("faces")(context, {"characters": "あいう", **arguments}, lambda *told: None)
        return {face["id"]: face for face in answer.data["faces"]}

    assert "pictures" not in listed()
    found = listed(sources=recipe(folder).to_dict()["source"])["pictures"]
    assert (found["style"], found["covered"], found["installed"]) == ("handwriting", 2, True)
    broken = listed(sources=[{"plugin": "pictures", "folder": str(folder.parent)}])["pictures"]
    assert "no picture in it" in broken["problem"]
