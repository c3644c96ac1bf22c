"""Where the boxes of a sheet are, and what its codes say."""

import itertools
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanatui.core.errors import UsageError
from kanatui.kana.alphabet import BASIC_HIRAGANA, KANA, SETS
from kanatui.pictures.sheets import layout
from kanatui.pictures.sheets.layout import Code, decode, encode, pages
from kanatui.pictures.sheets.printing import tints

A4 = layout.PAPERS["a4"]


def meets(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("paper", layout.PAPERS.values())
def test_nothing_on_a_full_page_touches_anything_else(paper):
    (page,) = pages(KANA[: layout.capacity(paper)], 1, paper, 1)
    parts = [page.code(corner) for corner in range(4)]
    for place in range(len(page.characters)):
        parts += [page.box(place), page.label(place)]
    for one, other in itertools.combinations(parts, 2):
        assert not meets(one, other)
    for left, top, right, bottom in parts:
        assert min(left, top) >= 9.9 and right <= paper.width - 9.9 and bottom <= paper.height - 9.9
    assert all(page.label(0)[0] <= page.tick(0)[0] and page.tick(0)[2] <= page.label(0)[2] for _ in "1")


SHEETS = st.tuples(
    st.lists(st.sampled_from(KANA + SETS["joyo"][:300]), min_size=1, max_size=200, unique=True),
    st.integers(1, 50),
    st.sampled_from(list(layout.PAPERS.values())),
    st.integers(0, 2**24 - 1),
)


@given(SHEETS)
@settings(max_examples=60, deadline=None)
def test_each_code_of_each_page_says_all_that_is_needed_to_read_the_page(sheet):
    characters, copies, paper, number = sheet
    made = pages("".join(characters[: 99 * 72 // copies]), copies, paper, number)
    assert "".join(page.characters for page in made) == "".join(
        character * copies for character in characters[: 99 * 72 // copies]
    )
    for page in (made[0], made[-1]):
        for corner in range(4):
            assert decode(encode(page, corner)) == Code(page, corner)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_code_says_nothing(data):
    code = bytearray(encode(pages(BASIC_HIRAGANA, 2, A4, 77)[0], 1))
    place = data.draw(st.integers(0, len(code) - 1))
    code[place] ^= data.draw(st.integers(1, 255))
    assert decode(bytes(code)) is None
    assert decode(bytes(code[: data.draw(st.integers(0, len(code) - 1))])) is None


def test_usual_sheets_have_codes_of_few_modules():
    assert all(len(encode(page, 0)) <= 40 for page in pages(BASIC_HIRAGANA, 3, A4, 1))


def test_too_much_for_a_sheet_is_refused():
    with pytest.raises(UsageError, match="at least one"):
        pages("", 1, A4, 1)
    with pytest.raises(UsageError, match="fewer"):
        pages(SETS["joyo"], 5, A4, 1)


@pytest.mark.parametrize("paper", layout.PAPERS.values())
def test_every_box_of_a_page_is_expected_to_look_alike(paper):
    """On letter paper left edges have fractions, so that right − left is not exactly a box's side."""
    (page,) = pages(KANA[: layout.capacity(paper)], 1, paper, 1)
    drawn = [tints([box], 10.0, box) for box in map(page.box, range(len(page.characters)))]
    assert max(float(np.abs(each - drawn[0]).max()) for each in drawn) < 0.01


def test_a_code_that_unpacks_to_very_much_gives_no_more_than_a_page():
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packed.compress(b"a" * 2_000_000) + packed.flush()
    (page,) = pages("漢字", 1, A4, 1)
    counts = bytes([1, 255, 0, 80])  # page, copies, skipped, boxes
    data = encode(page, 0)[:7] + counts + body
    assert decode(data + struct.pack(">I", zlib.crc32(data))).page.characters == 80 * "a"
