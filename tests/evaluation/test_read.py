"""Reading lines and sheets with the model that ships."""

import itertools

import numpy as np
import pytest
from PIL import Image

from kanatui.cli.bench import compose
from kanatui.core.errors import NoInkError, UsageError
from kanatui.evaluation.annotate import annotated
from kanatui.evaluation.read import read_text
from kanatui.evaluation.several import plainly_several, read_several
from kanatui.model.weights import load_weights
from tests.helpers.writing import glyphs, image, line, sheet, stacked

TEXT = "いちばんはやいかに"


@pytest.fixture
def classifier(shipped_model):
    return load_weights(shipped_model)


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("text", [TEXT, "ハルノカゼ", "きょうはがっこう"])
def test_a_line_is_read_in_its_direction(classifier, text, vertical):
    found = read_text(classifier, image(line(text, vertical).picture))
    assert (str(found), found.vertical) == (text, vertical)


def test_lines_come_from_the_top_and_columns_from_the_right(classifier):
    one, two = line("あめがふる").picture, line("そらをみる").picture
    assert str(read_text(classifier, image(stacked(one, two)))) == "あめがふる\nそらをみる"
    columns = [line(text, vertical=True).picture.T for text in ("あめがふる", "そらをみる")]
    beside = stacked(columns[1], columns[0]).T  # the first is at the right
    assert str(read_text(classifier, image(beside))) == "あめがふる\nそらをみる"


@pytest.mark.parametrize("vertical", [False, True])
def test_squared_paper_is_read_square_by_square(classifier, vertical):
    texts = ["あめがふる", "そらをみる", "はなび"]
    found = read_text(classifier, image(sheet(texts, vertical, seed=4).picture))
    assert (str(found).split("\n"), found.vertical) == (texts, vertical)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda picture: compose.skewed(picture, 9),
        lambda picture: compose.skewed(picture, -9),
        lambda picture: 255 - picture,
        compose.jpeg,
        lambda picture: compose.shadowed(picture, np.random.default_rng(1)),
        lambda picture: compose.tilted(picture, np.random.default_rng(1)),
    ],
    ids=["skew", "other skew", "negative", "jpeg", "shadow", "perspective"],
)
def test_a_photo_is_read_like_the_page(classifier, spoil):
    assert str(read_text(classifier, image(spoil(line(TEXT).picture)))) == TEXT


def test_marks_that_the_model_does_not_know_are_told_by_their_shape(classifier):
    assert not set("ー、。") & set(classifier.characters)
    assert str(read_text(classifier, image(line("カレーをたべた。").picture))) == "カレーをたべた。"


def test_no_mark_is_read_where_the_characters_are_given(classifier):
    found = str(read_text(classifier, image(line("カレーライス").picture), characters="カレライス"))
    assert set(found) <= set("カレライス")


def test_look_alikes_follow_their_neighbours_script(classifier):
    assert str(read_text(classifier, image(line("へやでねる").picture))).startswith("へ")
    assert str(read_text(classifier, image(line("ヘルメット").picture))).startswith("ヘ")


def test_each_box_is_its_characters_in_the_pictures_pixels(classifier):
    composed = line(TEXT)
    picture = Image.fromarray(composed.picture).resize([side * 2 for side in composed.picture.shape[::-1]])
    (found,) = read_text(classifier, picture).lines
    away = np.array([character.box for character in found]) / 2 - np.array(composed.boxes)
    assert np.abs(away).max() < 4


def test_probabilities_are_shares_and_readings_are_in_their_order(classifier):
    for character in read_text(classifier, image(line(TEXT).picture), top=4).lines[0]:
        own = [reading.probability for reading in character.readings]
        assert own == sorted(own, reverse=True) and len(own) == 4
        assert 0.0 < sum(own) <= 1.0001 and character.probability <= 1.0
        assert not character.doubtful


def test_a_scribble_is_doubtful(classifier):
    rng = np.random.default_rng(0)
    picture = np.full((120, 500), 255, dtype=np.uint8)
    for start in (30, 190, 350):
        points = (rng.random((14, 2)) * (100, 80) + (start, 20)).astype(int)
        for (x, y), (u, v) in itertools.pairwise(points):
            for share in np.linspace(0, 1, 200):
                column, row = round(x + share * (u - x)), round(y + share * (v - y))
                picture[row : row + 3, column : column + 3] = 0
    found = [character for row in read_text(classifier, image(picture)).lines for character in row]
    assert any(character.doubtful for character in found)


def test_what_cannot_be_read(classifier):
    with pytest.raises(NoInkError, match="no ink found"):
        read_text(classifier, Image.new("L", (200, 100), 255))
    with pytest.raises(UsageError, match="--characters"):
        read_text(classifier, image(line(TEXT).picture), characters="漢字")


@pytest.mark.parametrize("text", ["いぬ", "ありがとう", "ネコ"])
def test_several_characters_are_plainly_several(classifier, text):
    assert plainly_several(read_text(classifier, image(line(text).picture)), 0.5)


@pytest.mark.parametrize("character", "いにはけりうふハルニミシツがぱ")
def test_one_character_of_several_strokes_is_not(classifier, character):
    (glyph,) = glyphs(character).values()
    assert not plainly_several(read_text(classifier, Image.fromarray(255 - np.pad(glyph.ink, 20))), 0.9)


def test_several_characters_are_read_and_one_does_not_take_the_model(classifier):
    (glyph,) = glyphs("け").values()
    assert read_several(lambda: pytest.fail("read"), Image.fromarray(255 - np.pad(glyph.ink, 20)), 0.5) is None
    assert str(read_several(lambda: classifier, image(line("ありがとう").picture), 0.5)) == "ありがとう"


def test_what_is_surely_one_character_takes_many_to_be_several(classifier):
    assert not plainly_several(read_text(classifier, image(line("ノレ").picture)), 0.95)
    assert plainly_several(read_text(classifier, image(line("ありがとう").picture)), 0.95)


def test_readings_are_drawn_below_their_boxes(classifier):
    picture = image(line("あめ", em=90).picture)
    found = read_text(classifier, picture)
    drawn = np.asarray(annotated(picture, found)).astype(int)
    blue = (drawn[..., 2] - drawn[..., 0]) > 80
    for character in found.lines[0]:
        left, top, right, bottom = character.box
        assert blue[top : bottom + 1, left].mean() > 0.8
        assert blue[bottom + 4 :, left:right].any()
