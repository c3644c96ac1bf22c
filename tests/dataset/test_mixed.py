"""Generated images with somebody's own pictures among them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanatui.core.errors import DatasetError
from kanatui.core.rng import mix64
from kanatui.dataset.mixed import FACE, MixedStream, Pictures
from kanatui.dataset.open import open_source
from kanatui.dataset.recipe import Augment, Recipe
from kanatui.dataset.stream import GlyphStream
from kanatui.plugins.registry import load
from kanatui.training.order import EpochOrder
from kanatui.training.splits import split_mixed, split_source

SIZE = 32
RECIPE = Recipe(
    "mixed",
    [Augment("rotate", 1.0, {}), Augment("noise", 0.5, {})],
    characters="あいっフ",
    faces=("klee-regular", "noto-sans-cjk-jp-regular"),
    image_size=SIZE,
    images_per_character=40,
)


def some_pictures(characters, seed=0):
    """Bars of unlike lengths; each picture its own."""
    keys = mix64(np.arange(len(characters)).astype(np.uint64) + np.uint64(1000 * seed))
    images = np.zeros((len(characters), SIZE, SIZE), dtype=np.uint8)
    for place, image in enumerate(images):
        image[8:24, 4 + place % 8 : 14 + place % 16] = 255
    return Pictures(images, characters, keys)


@pytest.fixture(scope="module")
def stream(share_cache, tmp_path_factory):
    folder = share_cache(tmp_path_factory.mktemp("mixed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KANATUI_HOME", str(folder))
        made = GlyphStream(RECIPE, load())
        made.prepare()
        yield made


@pytest.fixture
def mixed(stream, tmp_path):
    pictures = some_pictures("あ" * 20 + "っ" * 15)
    pictures.save(tmp_path / "samples.npz")
    return MixedStream(stream, pictures, tmp_path / "samples.npz")


def everything(source):
    return np.arange(len(source))


def places(source, indices):
    """The label of each image, and its place among the images of its character."""
    labels = source.labels(indices)
    return labels, indices - source.offsets[labels]


def test_generated_images_are_those_of_the_recipe_alone(stream, mixed):
    _, ranks = places(mixed, everything(mixed))
    drawn = everything(mixed)[ranks < 40]
    assert len(drawn) == len(stream) == 160
    assert (mixed.images(drawn) == stream.images(everything(stream))).all()
    assert (mixed.labels(drawn) == stream.labels(everything(stream))).all()
    assert (mixed.faces(drawn) == stream.faces(everything(stream))).all()
    others = np.setdiff1d(everything(mixed), drawn)
    assert {mixed.face_ids[face] for face in mixed.faces(others)} == {FACE}
    assert set(mixed.labels(others)) == {0, 2}, "only characters with pictures have variants"


def test_an_image_is_the_same_whatever_it_is_asked_for_with(mixed):
    whole = mixed.images(everything(mixed))
    shuffled = np.random.default_rng(1).permutation(len(mixed))[:90]
    assert (mixed.images(shuffled) == whole[shuffled]).all()
    assert all((mixed.images([index])[0] == whole[index]).all() for index in shuffled[:12])
    again = open_source(mixed.spec())
    assert isinstance(again, MixedStream) and (again.images(everything(again)) == whole).all()
    assert [list(again.numbers(label)) for label in range(4)] == [list(mixed.numbers(label)) for label in range(4)]


def test_variants_differ_and_keep_to_their_picture(mixed):
    first = int(mixed.offsets[0] + mixed.generated[0])
    variants = mixed.images(np.arange(first, first + 40)).astype(float)
    assert len({variant.tobytes() for variant in variants}) == 40
    turns = int((~mixed.pictures.held_back[:20]).sum())  # pictures of あ that take turns
    same = [np.abs(variants[j] - variants[j + turns]).mean() for j in range(40 - turns)]
    assert max(same) < 60, "moved a little, not beyond recognition"
    assert (variants.max(axis=(1, 2)) > 120).all() and (variants[:, :2].mean(axis=(1, 2)) < 60).all()


def test_small_kana_are_smaller_than_normal_ones_as_in_fonts(stream, tmp_path):
    ink = []
    for character in "っあ":
        pictures = some_pictures(character * 30)
        source = MixedStream(stream, pictures, tmp_path / "none")
        label = source.characters.index(character)
        first = int(source.offsets[label] + source.generated[label])
        ink.append((source.images(np.arange(first, first + 40)) > 127).mean())
    assert 0.35 < ink[0] / ink[1] < 0.75


def test_augmentations_change_variants_too_but_not_what_is_held_back(mixed):
    changed = mixed.with_augments([{"plugin": "rotate", "p": 0.0}, {"plugin": "noise", "p": 0.0}])
    labels, ranks = places(mixed, everything(mixed))
    held = ranks >= (mixed.generated + mixed.variants)[labels]
    varied = (ranks >= mixed.generated[labels]) & ~held
    before, after = mixed.images(everything(mixed)), changed.images(everything(mixed))
    assert (before[held] == after[held]).all()
    assert (before[varied] != after[varied]).any() and (before[~varied & ~held] != after[~varied & ~held]).any()
    assert changed.augments != mixed.augments


@settings(max_examples=40, deadline=None)
@given(st.text("あいっフ", min_size=1, max_size=60), st.integers(0, 99), st.sampled_from([0.0, 0.05, 0.3]))
def test_what_is_held_back_is_never_trained_on(stream, shown, seed, hold_out):
    pictures = some_pictures(shown, seed)
    source = MixedStream(stream, pictures, None)
    split = split_mixed(source, hold_out)
    alone = split_source(stream, hold_out)
    every = range(len(source.characters))
    trained, judged, held = (
        np.concatenate([part.of(label) for label in every])
        for part in (split.train, split.held_out, split.held_out_faces)
    )
    assert not set(trained) & set(held) and not set(trained) & set(judged) and not set(held) & set(judged)
    assert set(trained) | set(judged) | set(held) == set(range(len(source)))
    assert len(held) == pictures.held_back.sum() == len(split.held_out_faces)
    # What the generated images alone would hold out is held out here, too, and of pictures only those held out.
    assert (
        (
            source.stream.images(np.concatenate([alone.held_out.of(label) for label in every])) == source.images(judged)
        ).all()
        if len(judged)
        else hold_out == 0.0
    )
    assert sorted(image.tobytes() for image in source.images(held)) == sorted(
        image.tobytes() for image in pictures.images[pictures.held_back]
    )
    order = EpochOrder(split.train, 16, seed=1)
    walked = np.concatenate([order.batch(0, k) for k in range(order.batches)])
    assert set(walked) == set(trained)


def test_a_picture_once_held_back_stays_so_whatever_is_added():
    few, more = some_pictures("あ" * 30), some_pictures("あ" * 90)
    assert (few.held_back == more.held_back[:30]).all()
    assert 0.1 < more.held_back.mean() < 0.35


def test_half_of_a_characters_images_are_variants_where_it_has_pictures(mixed):
    split = split_mixed(mixed, 0.0)
    order = EpochOrder(split.train, 32, seed=3)
    walked = np.concatenate([order.batch(0, k) for k in range(order.batches)])
    labels, ranks = places(mixed, walked)
    varied = ranks >= mixed.generated[labels]
    assert [varied[labels == label].mean() for label in range(4)] == pytest.approx([0.5, 0.0, 0.5, 0.0])


def test_a_damaged_or_unfit_file_is_named(stream, tmp_path):
    path = tmp_path / "samples.npz"
    with pytest.raises(DatasetError, match=r"samples\.npz: missing or damaged"):
        Pictures.load(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(DatasetError, match=r"samples\.npz: missing or damaged"):
        Pictures.load(path)
    with pytest.raises(DatasetError, match="does not fit its recipe"):
        MixedStream(stream, some_pictures("漢"), path)
