"""The sheet of glyphs, and pictures as large as fit: sizes, zoom, ways of showing them, themes."""

import numpy as np
import pytest
from textual.widgets import Input

from kanatui.core.mosaic import WAYS, fit, resample
from kanatui.tui.terminal import Terminal
from kanatui.tui.widgets.glyphs import GlyphSheet, tile_size
from tests.helpers.app import screen_text, until
from tests.helpers.dataset_screen import opened

COMFORTABLE = 12


@pytest.mark.parametrize(
    ("size", "tile", "visible"),
    [((39, 19), 12, 6), ((69, 35), 16, 12), ((149, 55), 28, 15), ((10, 5), 8, 1), ((1, 1), 8, 0), ((149, 8), 12, 11)],
)
def test_glyphs_grow_with_the_room_as_long_as_a_dozen_are_visible(size, tile, visible):
    width, height = size
    assert tile_size(width, height, COMFORTABLE) == tile
    assert width // (tile + 1) * (height // (tile // 2 + 1)) >= visible


def test_zoom_puts_one_glyph_fewer_or_more_side_by_side():
    sizes = [tile_size(149, 55, COMFORTABLE, zoom) for zoom in range(-20, 20)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (8, 64)
    assert all(size % 2 == 0 for size in sizes)
    assert {149 // (size + 1) for size in sizes} >= {4, 5, 6, 7, 8}


@pytest.fixture
def open_app(tiny):
    return opened


def on_screen(app, sheet):
    """The first glyph as the terminal shows it: its characters, ink and paper by cell."""
    region = sheet.content_region
    strips = app.screen._compositor.render_strips()
    cells = []
    for y in range(region.y, region.y + sheet.tile // 2):
        strip = strips[y].crop(region.x + 1, region.x + 1 + sheet.tile)
        cells.append([(c, segment.style) for segment in strip for c in segment.text])
    return cells


def decoded(cells, way):
    """The parts that the terminal paints; None while it still shows another way."""
    if not all(character in way.characters for line in cells for character, _ in line):
        return None
    rows = []
    for line in cells:
        row = []
        for character, style in line:
            share, paper = way.shapes[character], style.bgcolor.triplet.red
            ink = style.color.triplet.red if share.any() and style.color.triplet else 0
            row.append(np.rint(paper + (ink - paper) * share))
        rows.append(np.hstack(row))
    return np.vstack(rows)


async def test_the_terminal_is_sent_the_fitted_cells_and_dark_ink_with_a_light_theme(open_app):
    async with open_app() as (pilot, screen):
        sheet, app = screen.one(GlyphSheet), screen.app
        for theme, image in (("textual-dark", lambda i: i), ("textual-light", lambda i: 255 - i)):
            app.theme = theme
            for way in (way for way in WAYS.values() if way.greys):
                app.action_pictures(way.name)
                await pilot.pause()
                expected = fit(image(sheet.images[0]), way, sheet.tile, sheet.tile // 2).pixels()
                await until(
                    pilot, lambda wanted=expected, way=way: np.array_equal(decoded(on_screen(app, sheet), way), wanted)
                )


async def test_the_key_goes_through_the_ways_and_plus_and_minus_through_sizes(open_app):
    async with open_app() as (pilot, screen):
        sheet = screen.one(GlyphSheet)
        sheet.focus()
        assert screen.app.pictures.way == "quadrants"
        seen = []
        for _ in range(len(WAYS) + 1):
            await pilot.press("P")
            seen.append(screen.app.pictures.way)
        assert seen == [*WAYS, "quadrants"]
        tile, count = sheet.tile, len(sheet.images)
        await pilot.press("plus")
        assert sheet.tile > tile
        await pilot.press("minus", "minus")
        assert sheet.tile < tile
        await until(pilot, lambda: len(sheet.images) > count)  # the room is filled
        await pilot.press("plus")
        assert sheet.tile == tile


async def test_without_colour_and_with_plain_characters_glyphs_are_densities(open_app, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with open_app() as (_, screen):
        sheet = screen.one(GlyphSheet)
        plain = fit(sheet.images[0], WAYS["ascii"], sheet.tile, sheet.tile // 2)
        text = ["".join(c for c, _ in line) for line in on_screen(screen.app, sheet)]
        assert text == [line[0][0] for line in plain.lines()]
        assert len(set("".join(text))) > 3


async def test_graphics_are_sent_before_their_placeholders_and_deleted_in_the_end(open_app, monkeypatch):
    sent = []
    monkeypatch.setattr("textual.drivers.headless_driver.HeadlessDriver.write", lambda self, data: sent.append(data))
    async with open_app(terminal=Terminal("kitty", (0, 40), True, answered=True)) as (pilot, screen):
        assert screen.app.pictures.way == "kitty"
        await until(pilot, lambda: "\U0010eeee" in screen_text(screen.app))
        images = [data for data in sent if data.startswith("\x1b_Ga=T")]
        assert len(images) >= len({image.tobytes() for image in screen.one(GlyphSheet).images})
        cell, style = on_screen(screen.app, screen.one(GlyphSheet))[0][0]
        assert cell == "\U0010eeee"
        red, green, blue = style.color.triplet
        assert any(f"i={red << 16 | green << 8 | blue}," in data for data in images)
    assert sum("a=d" in data for data in sent) >= len(images)


async def test_a_saved_screen_has_its_pictures_as_text(open_app, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with open_app(terminal=Terminal("kitty", (0, 40), True, answered=True)) as (pilot, screen):
        await until(pilot, lambda: "\U0010eeee" in screen_text(screen.app))
        screen.one(GlyphSheet).focus()
        await pilot.press("S")
        await until(pilot, lambda: "Save this screen as" in screen_text(screen.app))
        screen.app.screen.query_one(Input).value = "a.txt"
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "a.txt").exists())
        saved = (tmp_path / "a.txt").read_text()
        assert "\U0010eeee" not in saved
        assert len(set(saved) & set("▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")) > 5
        await until(pilot, lambda: "\U0010eeee" in screen_text(screen.app))


def test_a_decoded_glyph_is_as_large_as_the_true_one():
    image = np.random.default_rng(2).integers(0, 256, (48, 48), dtype=np.uint8)
    for way in WAYS.values():
        assert resample(fit(image, way, 12, 6).pixels(), 48, 48).shape == image.shape
