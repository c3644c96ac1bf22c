"""Photos of filled sheets, from easy to hard: boxes are found, no stroke is lost, and no label is wrong."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from kanatui.cli.bench.photograph import SCENES, fill, photograph
from kanatui.core.errors import ImageError, SheetError
from kanatui.kana.alphabet import BASIC_HIRAGANA
from kanatui.pictures.sheets.boxes import SIDE, State, read_sheets
from tests.helpers.sheets import SMALL, overlaps, pixels, printed, shoot, states

FEW = "あいうえおかきくけこさしすせそたちつ"
BLANK, TICKED = (3, 40), (5, 17)

QUICK = ("small and soft", "curled top and bottom, leaning", "dim, 1000 pixels, leaning")


@pytest.mark.parametrize(
    "how",
    [pytest.param(each, id=each.name, marks=() if each.name in QUICK else pytest.mark.slow) for each in SCENES],
)
def test_every_box_of_a_scene_is_cut_and_judged_right(how):
    page, photo = shoot(BASIC_HIRAGANA, how, blank=BLANK, ticked=TICKED, seed=3)
    (sheet,) = read_sheets(pixels(photo))
    assert sheet.page == page
    assert np.mean(np.array(overlaps(photo, sheet)) >= 0.9) >= 0.99
    found = states(sheet)
    assert found[State.EMPTY] == list(BLANK) and found[State.TICKED] == list(TICKED)
    assert len(found[State.DOUBTFUL]) <= 1


@pytest.mark.parametrize(("grey", "pen"), [(False, (28, 30, 44)), (True, (28, 30, 44)), (False, (120, 118, 122))])
def test_no_stroke_is_lost_where_it_crosses_what_is_printed(grey, pen):
    """Bars along and across the guide, and a ring around it; drawn in ink, on a grey print, and in pencil."""
    bars = np.zeros((90, 90), dtype=np.float32)
    bars[42:48] = bars[:, 42:48] = 1
    ring = np.hypot(*(np.indices((90, 90)) - 45))
    shape = np.maximum(bars, (np.abs(ring - 40) < 3).astype(np.float32))
    how = dataclasses.replace(SMALL, long_side=2200, grey=grey)
    _page, photo = shoot("あいうえお", how, pen=pen, shapes=dict.fromkeys("あいうえお", shape))
    (sheet,) = read_sheets(pixels(photo))
    assert states(sheet)[State.WRITTEN] == list(range(5))
    for box in sheet.boxes:
        seen = box.picture > 90
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        size = (int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
        wanted = np.asarray(Image.fromarray(shape).resize(size)) > 0.5
        cut = seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert 0.55 * SIDE < min(size) <= max(size) < 0.85 * SIDE  # nothing of the frame or beyond the strokes is left
        assert (ndimage.binary_dilation(cut, iterations=2) | ~wanted).mean() > 0.999
        assert (ndimage.binary_dilation(wanted, iterations=3) | ~cut).mean() > 0.999


def test_red_ink_is_not_taken_for_an_empty_box():
    _, photo = shoot(FEW, dataclasses.replace(SMALL, long_side=2000), pen=(225, 60, 40))
    (sheet,) = read_sheets(pixels(photo))
    doubtful = [box for box in sheet.boxes if box.state is State.DOUBTFUL]
    assert len(doubtful) > len(FEW) // 2 and all("red" in box.remark for box in doubtful)
    assert not states(sheet)[State.WRITTEN]


def test_a_page_is_read_with_one_code_hidden_and_refused_with_two():
    _, photo = shoot(FEW, dataclasses.replace(SMALL, covered=(1,)))
    (sheet,) = read_sheets(pixels(photo))
    assert min(overlaps(photo, sheet)) > 0.9
    _, photo = shoot(FEW, dataclasses.replace(SMALL, covered=(1, 2)))
    with pytest.raises(SheetError, match=r"marker 2 \(top right\) and 3 \(bottom right\) not found: more light"):
        read_sheets(pixels(photo))


def test_what_shows_no_sheet_or_not_all_of_it_is_refused_with_a_reason():
    _, photo = shoot(FEW)
    whole = pixels(photo)
    for picture, reason in (
        (np.full((900, 700, 3), 250, dtype=np.uint8), "no sheet found"),
        (whole[:, ::-1], "mirrored"),
        (np.concatenate([whole, whole], axis=1), "twice"),
        (whole[: len(whole) // 2], "not found"),
        (np.roll(whole, whole.shape[1] // 2, axis=1), "cut into pieces"),
    ):
        with pytest.raises(SheetError, match=reason):
            read_sheets(np.ascontiguousarray(picture))


def test_a_hand_over_some_boxes_does_not_move_the_others():
    _page, photo = shoot(FEW)
    picture = pixels(photo).copy()
    left, top = photo.outlines[1].min(axis=0).astype(int)
    right, bottom = photo.outlines[2].max(axis=0).astype(int)
    picture[top - 8 : bottom + 8, left - 8 : right + 8] = (190, 140, 120)
    (sheet,) = read_sheets(picture)
    assert not set(states(sheet)[State.WRITTEN]) & {1, 2}
    assert min(o for place, o in enumerate(overlaps(photo, sheet)) if place not in (1, 2)) > 0.9


def test_a_box_that_is_filled_to_its_edge_says_so():
    page, picture = printed("あいうえお")
    shapes = {place: np.ones((30, 30), dtype=np.float32) for place in range(1)}
    filled = fill(picture, page, shapes, np.random.default_rng(0)).copy()
    scale = picture.shape[1] / page.paper.width
    left, top, right, bottom = (round(edge * scale) for edge in page.box(1))
    filled[(top + bottom) // 2 : (top + bottom) // 2 + 6, left - 5 : right + 5] = 30
    filled[top + 20 : bottom + 12, (left + right) // 2 : (left + right) // 2 + 6] = 30
    (sheet,) = read_sheets(pixels(photograph(filled, page, SMALL, 1)))
    assert sheet.boxes[1].state is State.WRITTEN and sheet.boxes[1].remark == "runs over the frame"


# --- Damaged photos


def damaged(photo, random):
    """Damage a photo; return it, and how far its top left corner moved. Boxes that are left stay where they were."""
    picture = pixels(photo).astype(np.int16)
    moved = np.zeros(2)
    for kind in random.choice(7, size=random.integers(1, 4), replace=False):
        height, width = picture.shape[:2]
        x, y = int(random.integers(width)), int(random.integers(height))
        if kind == 0:  # something lies on it
            size = random.integers(30, 500, size=2)
            picture[y : y + size[1], x : x + size[0]] = random.integers(0, 256, size=3)
        elif kind == 1:
            picture = picture + random.normal(0, random.uniform(5, 60), picture.shape).astype(np.int16)
        elif kind == 2:
            sigma = random.uniform(0.5, 4)
            picture = ndimage.gaussian_filter(picture, (sigma, sigma, 0))
        elif kind == 3:  # cut off
            picture = picture[
                (top := int(random.integers(height // 5))) :, (left := int(random.integers(width // 5))) :
            ]
            moved = moved + np.array([left, top])
        elif kind == 4:  # too dark, too bright
            picture = picture * random.uniform(0.1, 2.5) + random.uniform(-60, 60)
        elif kind == 5:  # a strip from elsewhere
            rows = int(random.integers(10, 200))
            other = int(random.integers(max(1, height - rows)))
            strip = picture[other : other + rows].copy()
            picture[y : y + rows] = strip[: len(picture[y : y + rows])]
        else:
            data = io.BytesIO()
            Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(data, "JPEG", quality=60)
            broken = bytearray(data.getvalue())
            for place in random.integers(len(broken) // 3, len(broken), size=2):
                broken[place] ^= 1 << int(random.integers(8))
            try:
                picture = np.asarray(Image.open(io.BytesIO(bytes(broken))).convert("RGB")).astype(np.int16)
            except OSError:
                continue
    return np.clip(picture, 0, 255).astype(np.uint8), moved


def read_damaged(seeds):
    """Read damaged photos of a sheet; return how many could be read."""
    readable = 0
    page, photo = shoot(FEW, dataclasses.replace(SMALL, long_side=1150), seed=5)
    for seed in seeds:
        picture, moved = damaged(photo, np.random.default_rng(seed))
        try:
            (sheet,) = read_sheets(picture)
        except ImageError as error:
            assert str(error) and "\n" not in str(error)
            continue
        readable += 1
        assert sheet.page == page
        for box, truth in zip(sheet.boxes, photo.outlines, strict=True):
            if box.state is State.WRITTEN:
                # The middle of the box that is cut lies within the box that its label belongs to.
                off = np.abs(box.outline.mean(axis=0) - (truth.mean(axis=0) - moved))
                assert off.max() < np.ptp(truth, axis=0).min() / 4, f"seed {seed}, box {box.place}"
    return readable


def test_no_damaged_photo_gives_a_wrong_label():
    assert read_damaged(range(12)) >= 2


@pytest.mark.slow
def test_none_of_500_damaged_photos_gives_a_wrong_label():
    assert read_damaged(range(1000, 1500)) > 100
