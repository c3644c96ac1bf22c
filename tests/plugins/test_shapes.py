"""The shapes that are no characters."""

import numpy as np
import pytest

from kanatui.dataset.layout import lay_out
from kanatui.dataset.recipe import Recipe
from kanatui.plugins.registry import load

SHAPES = load().outlier_sources["shapes"]()
FEW = SHAPES.shapes[:12]


@pytest.fixture(params=[face.id for face in SHAPES.faces()])
def face(request):
    return next(face for face in SHAPES.faces() if face.id == request.param)


def test_each_shape_has_ink_of_its_own_and_stays_near_the_em_box(face):
    masters = SHAPES.masters(face, FEW, 96)
    assert len({image.tobytes() for image in masters.images}) == len(FEW)
    for image, corner in zip(masters.images, masters.corners, strict=True):
        assert image.dtype == np.uint8 and image.max() > 60
        (x, y), (height, width) = corner, image.shape
        assert x > -0.4 * 96 and x + width < 1.4 * 96
        assert y > -1.3 * 96 and y + height < 0.5 * 96


def test_the_same_shape_comes_again(face, monkeypatch, tmp_path):
    first = SHAPES.masters(face, FEW, 64)
    monkeypatch.setenv("KANATUI_HOME", str(tmp_path / "another"))
    again = SHAPES.masters(face, FEW[3:5], 64)
    assert all((a == b).all() for a, b in zip(first.images[3:5], again.images, strict=True))


def test_no_recipe_draws_characters_with_them():
    layout = lay_out(Recipe("x", characters="あ", images_per_character=1), load())
    assert not {face.id for face in layout.faces} & {face.id for face in SHAPES.faces()}
    assert "shapes" not in load().glyph_sources


def test_they_draw_nothing_else(face):
    assert SHAPES.coverage(face, f"あ{FEW[0]}漢").tolist() == [False, True, False]
