"""Outliers: what a training shows besides its characters."""

import numpy as np
import pytest

from kanatui.core.errors import FontError, UsageError
from kanatui.dataset.mixed import MixedStream, Pictures
from kanatui.dataset.open import open_source, outliers_of
from kanatui.dataset.outliers import told_apart
from kanatui.dataset.recipe import Augment, Outliers, Recipe
from kanatui.dataset.stream import GlyphStream
from kanatui.kana.alphabet import KANA
from kanatui.plugins.registry import load

STEPS = [Augment("size", 1.0, {"points": [150.0, 240.0]}), Augment("rotate"), Augment("noise", 0.5)]
NUMBERS = np.array([0, 5, 90_001, 5, 17, 3_000_000])


def stream(seed=3, faces=("klee-regular", "noto-sans-cjk-jp-regular"), patterns=(), **options):
    chosen = {"characters": ["digits", "漢字一口見"], "glyphs": 12, "shapes": 0.4, "faces": patterns} | options
    fields = {"characters": "かロ", "faces": faces, "image_size": 24, "images_per_character": 10, "seed": seed}
    return GlyphStream(Recipe("x", STEPS, outliers=Outliers(**chosen), **fields), load())


@pytest.fixture(scope="module")
def outliers():
    return outliers_of(stream())


def test_an_outlier_is_the_same_in_any_batch_and_any_process(outliers):
    images = outliers.images(NUMBERS)
    assert images.shape == (6, 24, 24) and images.dtype == np.uint8
    assert (images[1] == images[3]).all() and not (images[0] == images[1]).all()
    assert (outliers.images(NUMBERS[::-1])[::-1] == images).all()
    again = outliers_of(open_source(stream().spec()))
    assert (again.images([90_001])[0] == images[2]).all()


def test_another_seed_draws_others(outliers):
    assert not (outliers_of(stream(seed=4)).images(NUMBERS) == outliers.images(NUMBERS)).all()


def test_all_have_ink_and_few_are_alike(outliers):
    images = outliers.images(np.arange(200))
    assert (images.max(axis=(1, 2)) > 60).all()
    assert len({image.tobytes() for image in images}) == 200


def test_neither_known_characters_nor_their_shapes_nor_what_is_held_back_is_shown(outliers):
    assert set(outliers.characters) <= set("0123456789字一見漢")  # 口 looks like ロ
    assert told_apart("digits", KANA) == "023456789"  # 1 is a stroke like ノ or し
    assert len(told_apart("joyo", KANA)) < 0.8 * 2136


def test_glyphs_are_bounded_and_spread_over_the_sets():
    many = outliers_of(stream(glyphs=500)).characters
    few = outliers_of(stream(glyphs=4)).characters
    assert set("0123456789") <= set(many) and len(few) <= 4
    assert set(few) & set("0123456789") and set(few) - set("0123456789")


def test_shapes_alone_and_characters_alone():
    assert outliers_of(stream(characters=[])).characters == ""
    shapes, characters = outliers_of(stream(shapes=1.0)), outliers_of(stream(shapes=0.0))
    assert shapes.images(NUMBERS).any() and characters.images(NUMBERS).any()
    assert not (shapes.images(NUMBERS) == characters.images(NUMBERS)).all(axis=(1, 2)).any()


def test_changed_augmentations_change_them_too(outliers):
    upright = [STEPS[0].to_dict(), STEPS[1].to_dict() | {"p": 0.0}, STEPS[2].to_dict()]
    changed = outliers.with_augments(upright)
    assert not (changed.images(NUMBERS) == outliers.images(NUMBERS)).all()
    assert (changed.with_augments([step.to_dict() for step in STEPS]).images(NUMBERS) == outliers.images(NUMBERS)).all()


def test_held_out_faces_draw_none():
    source = stream(glyphs=100)
    pinned = source.layout.recipe.pinned("かロ", source.face_ids, ["klee-*"])
    assert pinned.outliers.faces == ("*", "-klee-*")
    without = outliers_of(GlyphStream(pinned, load()))
    only = outliers_of(stream(faces=("noto-sans-cjk-jp-regular",), glyphs=100))
    assert set(without.characters) <= set(only.characters)


def test_a_pinned_recipe_draws_the_same_as_the_named_sets():
    source = stream()
    pinned = source.layout.recipe.pinned("かロ", source.face_ids)
    again = outliers_of(open_source({"recipe": pinned.to_dict()}))
    assert (again.images(NUMBERS) == outliers_of(source).images(NUMBERS)).all()


def test_a_mixed_stream_has_its_recipes_outliers(tmp_path, outliers):
    pictures = Pictures(np.zeros((1, 24, 24), dtype=np.uint8), "か", np.array([1], dtype=np.uint64))
    mixed = MixedStream(stream(), pictures, tmp_path / "samples.npz")
    assert (outliers_of(mixed).images(NUMBERS) == outliers.images(NUMBERS)).all()


def test_a_recipe_without_any_has_none():
    recipe = stream().layout.recipe
    assert outliers_of(GlyphStream(recipe.but(outliers=None), load())) is None
    assert outliers_of(stream(share=0.0)) is None


def test_mistakes_are_named():
    with pytest.raises(UsageError, match="kanjis"):
        outliers_of(stream(characters=["kanjis"]))
    with pytest.raises(FontError, match="no face matches 'brush'"):
        outliers_of(stream(faces=("klee-regular",), patterns=["brush"]))
    with pytest.raises(FontError, match="outliers.share=0 trains without"):
        outliers_of(stream(characters=["chars:か"], shapes=0.0))
