"""The Dataset screen: data sets, and generations that outlive the app."""

import subprocess

import numpy as np
import pytest
from textual.widgets import Input

from kanatui.core import paths, processes, storage
from kanatui.dataset import catalogue, generation
from kanatui.dataset.read import open_dataset
from kanatui.dataset.recipe import Augment, find_recipe, save_recipe
from kanatui.tui.dataset.browse import Browser
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.dataset.faces import FacesPanel
from kanatui.tui.dataset.progress import Pace, bar, generation_text
from kanatui.tui.dataset.zoom import GlyphZoom
from kanatui.tui.widgets.dialogs import Ask, Confirm, Details
from kanatui.tui.widgets.glyphs import GlyphSheet
from tests.helpers.app import line_of, tells, until
from tests.helpers.dataset_screen import TINY, answer, go

# ── data sets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_data_set_is_generated_shown_and_deleted(open_app):
    async with open_app() as (pilot, screen):
        await pilot.press("g")
        await answer(pilot, Ask, "enter")
        # On a busy machine so small a set may be complete before the app looks for the first time.
        await until(pilot, lambda: not isinstance(screen.app.screen, Ask))
        await go(pilot, "datasets")
        await until(pilot, lambda: "✓ complete" in screen.text())
        assert not screen.one("#generation").display
        await pilot.press("d")
        await until(pilot, lambda: isinstance(screen.app.screen, Details))
        await pilot.pause()
        assert "120 of 120 images" in screen.text()
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(screen.app.screen, Browser))
        await browse(pilot, screen, open_dataset(paths.datasets() / "tiny"))
        await pilot.press("escape", "g")
        await until(pilot, lambda: isinstance(screen.app.screen, Ask))
        assert screen.app.screen.query_one(Input).value == "tiny-2"
        screen.app.screen.query_one(Input).value = "tiny"
        await until(pilot, lambda: "there is one already" in screen.text())
        await pilot.press("enter", "escape")
        await pilot.press("x")
        await answer(pilot, Confirm, "d")
        await until(pilot, lambda: "No data sets yet" in screen.text())
    assert not (paths.datasets() / "tiny").exists()


async def browse(pilot, screen, data):
    """Look through a data set of three characters with 40 images each."""
    sheet = screen.app.screen.query_one(GlyphSheet)
    await until(pilot, lambda: "1 of 120 · あ" in screen.text())
    fitting = sheet.fitting
    assert 3 <= len(sheet.images) == fitting < 120
    assert np.array_equal(sheet.images, data.images(np.arange(fitting)))
    await pilot.press("n", "right")
    await until(pilot, lambda: f"{fitting + 2} of 120 · あ" in screen.text())
    await pilot.press("p", "right_square_bracket")
    await until(pilot, lambda: "41 of 120 · い" in screen.text())
    assert "clockwise" in screen.text()  # how this glyph was placed
    await pilot.press("j", *"au", "enter")  # a mistake is told of, and nothing happens
    await until(pilot, lambda: isinstance(screen.app.screen, Ask))
    screen.app.screen.query_one(Input).value = "ka"
    await until(pilot, lambda: "か is not in data set tiny" in screen.text())
    screen.app.screen.query_one(Input).value = "u"
    await pilot.press("enter")
    await until(pilot, lambda: "81 of 120 · う" in screen.text())
    assert np.array_equal(sheet.images[0], data.images([80])[0])
    await pilot.press("end", "enter")
    await until(pilot, lambda: isinstance(screen.app.screen, GlyphZoom))
    await pilot.press("escape")
    await until(pilot, lambda: isinstance(screen.app.screen, Browser))


LARGE = TINY.but(image_size=256, images_per_character=6_000, augments=[Augment("size"), Augment("elastic")])


async def test_a_generation_outlives_the_app_is_stopped_and_goes_on(open_app):
    save_recipe(LARGE, "tiny")
    Draft.of(find_recipe("tiny")).keep()
    async with open_app() as (pilot, screen):
        await pilot.press("g")
        await answer(pilot, Ask, "enter")
        await until(pilot, lambda: generation.process_of("tiny") is not None)
    assert generation.process_of("tiny") is not None
    async with open_app() as (pilot, screen):
        await until(pilot, lambda: "images/s" in screen.text())
        assert "%" in screen.text()
        await pilot.press("c")
        await until(pilot, lambda: "stopped at" in screen.text())
        done = next(data for data in catalogue.Catalogue().look()).done
        assert 0 < done < 18_000
        await pilot.press("R")
        await until(pilot, lambda: generation.process_of("tiny") is not None)
        await until(pilot, lambda: next(iter(catalogue.Catalogue().look())).done > done)
        await pilot.press("c")
        await until(pilot, lambda: generation.process_of("tiny") is None)


async def test_a_generation_that_fails_says_why_and_shows_its_log(open_app, monkeypatch):
    async with open_app() as (pilot, screen):
        await until(pilot, lambda: "about" in screen.plan)  # what the app's engines have to say is said
        monkeypatch.setenv("KANATUI_IMAGEMAGICK", "gone")  # for the process that generates
        await pilot.press("g")
        await answer(pilot, Ask, "enter")
        await until(pilot, lambda: "✗ tiny failed" in screen.text())
        await pilot.press("l")
        await until(pilot, lambda: isinstance(screen.app.screen, Details))
        await until(pilot, lambda: "gone" in screen.text())


async def test_a_data_set_without_room_is_refused_and_one_that_takes_very_much_is_asked_about(open_app, monkeypatch):
    async with open_app() as (pilot, screen):
        free = 1000
        monkeypatch.setattr(storage, "free_bytes", lambda folder: free)
        await pilot.press("g")
        await until(pilot, tells(screen.app, "there is no room for this data set: 120 images, 127.9 kB"))
        assert "(1.0 kB are free); lower images per character or image size" in screen.app.told[-1]
        free = 150_000
        await pilot.press("g")
        await answer(pilot, Confirm, "c")
        await until(pilot, lambda: screen.app.screen is screen.app.screen_stack[0])
        await pilot.press("g")
        await answer(pilot, Confirm, "g")
        await until(pilot, lambda: isinstance(screen.app.screen, Ask))
        free = 10**12
        await pilot.press("escape", "g")
        await until(pilot, lambda: isinstance(screen.app.screen, Ask))


def test_the_line_of_a_generation_says_how_far_and_how_fast(tmp_path):
    folder = tmp_path / "kana"
    data = catalogue.Entry("kana", folder, "writing", done=250, images=1000, image_size=64, bytes_done=1_024_000)
    assert generation_text(data, 50.0, plain=True) == (
        "● kana ####............ 25.0 % · 250/1,000 images · 50 images/s · 15 s left · 1.0 MB written (c: stop)"
    )
    assert "left" not in generation_text(data, 0.0)
    assert bar(1.0) == "━" * 16
    assert generation_text(data, 50.0, stopping=True) == "● kana: stopping at 25.0 %; finished shards are kept"


def test_a_resumed_generation_does_not_repeat_what_the_last_one_said(home, monkeypatch):
    folder = storage.make_folder(paths.datasets() / "kana")
    (folder / generation.LOG).write_text("drawing\nkanatui: interrupted\n")
    monkeypatch.setattr(processes, "start", lambda arguments, log: subprocess.Popen(["true"]))
    generation.resume("kana").wait()
    assert generation.last_words("kana") == ""
    data = catalogue.Entry("kana", folder, "starting")
    assert generation_text(data, 0.0) == "● kana: starting its process (c: stop)"
    with open(folder / generation.LOG, "a") as log:
        log.write("looking at the faces 3/71\n")
    assert generation_text(data, 0.0) == "● kana: looking at the faces 3/71 (c: stop)"


def test_pace_is_taken_over_the_last_seconds(tmp_path):
    pace = Pace()

    def at(done):
        return catalogue.Entry("kana", tmp_path, "writing", done=done, images=10_000)

    for second in range(100):
        pace.note([at(100 * second if second < 50 else 5000 + 10 * (second - 50))], float(second))
    assert pace.rate(at(0)) == pytest.approx(10.0)
    pace.note([catalogue.Entry("kana", tmp_path, "complete")], 100.0)
    assert pace.rate(at(0)) == 0.0


async def test_the_glyphs_of_the_face_under_the_cursor(open_app):
    async with open_app() as (pilot, screen):
        await until(pilot, lambda: screen.one(FacesPanel).filled)
        await go(pilot, "faces")
        faces = screen.one("#faces")
        faces.highlighted = line_of(faces, "klee-regular")
        await pilot.press("o")
        await until(pilot, lambda: isinstance(screen.app.screen, Browser))
        await until(pilot, lambda: "1 of 3 · あ" in screen.text())
        assert "klee-regular" in screen.text()
        sheet = screen.app.screen.query_one(GlyphSheet)
        assert sheet.images.shape == (3, 96, 96)
        assert all(image.max() == 255 for image in sheet.images)
        await pilot.press("escape")
        faces.highlighted = line_of(faces, "not installed")
        await pilot.press("o")
        await until(pilot, lambda: any("draws none" in told for told in screen.app.told))
