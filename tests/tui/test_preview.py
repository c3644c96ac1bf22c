"""The Dataset screen's live preview and its line about the plan."""

import asyncio

import numpy as np

from kanatui.tui.dataset.faces import FacesPanel
from kanatui.tui.dataset.plan import PlanLine, plan_details, plan_text
from kanatui.tui.dataset.preview import PreviewPanel
from kanatui.tui.dataset.zoom import GlyphZoom
from kanatui.tui.widgets.dialogs import Details
from kanatui.tui.widgets.glyphs import GlyphView
from tests.helpers.app import until
from tests.helpers.dataset_screen import TINY, go
from tests.helpers.processes import engines


async def test_sheet_and_plan_are_those_of_this_very_recipe(open_app):
    async with open_app() as (pilot, screen):
        first = screen.images
        assert first.shape[1:] == (32, 32)
        assert set(screen.one(PreviewPanel).shown.characters) == set("あいう")
        assert screen.plan.startswith("3 characters × 40 = 120 images · 32 px · ")
        await until(pilot, lambda: "about" in screen.plan)

        await pilot.press("r")  # others of the same recipe
        await until(pilot, lambda: screen.images is not first)
        assert not np.array_equal(screen.images, first)
        assert screen.draft.recipe().to_dict() == TINY.to_dict()

        screen.app.screen.edit(screen.draft.with_field("images_per_character", 50))
        assert "40" not in screen.plan  # never a stale figure
        assert "…" in screen.plan
        await until(pilot, lambda: "3 characters × 50 = 150 images" in screen.plan)

        screen.one("#preview-sheet").focus()
        await pilot.press("home", "right", "enter")
        await until(pilot, lambda: isinstance(screen.app.screen, GlyphZoom))
        shown = screen.one(PreviewPanel).shown
        title = f"U+{ord(shown.characters[1]):04X} · {shown.faces[1]} · image {shown.numbers[1]}"
        await until(pilot, lambda: title in screen.text())
        await until(pilot, lambda: "3 noise" in screen.text())
        views = list(screen.app.screen.query(GlyphView))
        assert [view.is_on_screen for view in views] == [False, True]
        await pilot.press("down", "down")  # the second step, before and after
        await until(pilot, lambda: "before rotate" in screen.text())
        assert "clockwise" in screen.text()
        assert all(view.is_on_screen for view in views)
        await pilot.press("right", "escape")
        await until(pilot, lambda: not isinstance(screen.app.screen, GlyphZoom))
        await until(pilot, lambda: screen.one("#preview-sheet").cursor == 2)


async def test_the_preview_follows_a_tick_and_compares_the_step_under_the_cursor(open_app):
    async with open_app() as (pilot, screen):
        noisy = screen.images
        await go(pilot, "steps")
        await pilot.press("down", "down", "space")
        await until(pilot, lambda: screen.images is not noisy)
        assert screen.draft.off == ["noise"]
        assert np.median(noisy) > np.median(screen.images) == 0
        assert "[ ] noise" in screen.text()

        await pilot.press("b")  # also of a step that is ticked off
        shown = await until(pilot, lambda: (s := screen.one(PreviewPanel).shown).after is not None and s)
        assert np.median(shown.images) == 0 < np.median(shown.after)
        assert "with noise" in screen.text()
        sheet = screen.one("#preview-sheet")
        assert np.array_equal(sheet.images[0], shown.images[0])
        assert np.array_equal(sheet.images[sheet.columns], shown.after[0])
        await pilot.press("up")
        await until(pilot, lambda: "with rotate" in screen.text())
        await pilot.press("b")
        await until(pilot, lambda: screen.one(PreviewPanel).shown.after is None)

        await pilot.press("down", "space")
        await until(pilot, lambda: np.array_equal(screen.images, noisy))


def in_pairs(sheet):
    """Whether each glyph without the step is above the same one with it."""
    firsts = [(place, caption[0]) for place, caption in enumerate(sheet.captions) if caption.endswith("without")]
    below = [sheet.captions[place + sheet.columns :][:1] for place, _ in firsts]
    return bool(firsts) and below == [[f"{character} with"] for _, character in firsts]


async def test_the_second_of_a_pair_is_below_the_first_however_wide_the_sheet_is(open_app):
    async with open_app() as (pilot, screen):
        screen.app.screen.edit(screen.draft.with_field("images_per_character", 1))
        await until(pilot, lambda: screen.images is not None and len(screen.images) == 3)
        await go(pilot, "steps")
        await pilot.press("down", "b")
        preview = screen.one(PreviewPanel)
        await until(pilot, lambda: preview.shown.after is not None)
        sheet, widths = screen.one("#preview-sheet"), set()
        for size, keys in (((80, 24), ""), ((120, 40), ""), ((120, 40), "v"), ((120, 40), "-"), ((80, 24), "+")):
            await pilot.resize_terminal(*size)
            await pilot.press(*keys)
            await until(pilot, lambda: screen.app.key_order.busy is False and in_pairs(sheet))
            widths.add(sheet.columns)
        assert len(widths) > 1


async def test_the_large_preview_has_the_focus_and_gives_it_back(open_app):
    async with open_app() as (pilot, screen):
        await go(pilot, "steps")
        await pilot.press("v")
        await until(pilot, lambda: screen.app.focused is screen.one("#preview-sheet"))
        await pilot.press("v")
        await until(pilot, lambda: screen.app.focused is screen.one("#steps"))


async def test_what_makes_no_recipe_is_said_in_the_place_of_the_sheet(open_app):
    async with open_app() as (pilot, screen):
        full = len(screen.images)
        await until(pilot, lambda: screen.one(FacesPanel).filled)
        await go(pilot, "faces")
        await pilot.press("n")
        await until(pilot, lambda: "✗ no face is ticked: tick one under Faces" in screen.text())
        assert "no plan" in screen.plan
        assert screen.images is None
        await pilot.press("a")
        await until(pilot, lambda: screen.images is not None and len(screen.images) == full)
        await until(pilot, lambda: "faces not installed (which: enter)" in screen.plan)
        screen.one(PlanLine).focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(screen.app.screen, Details))
        await until(pilot, lambda: "not installed: " in screen.text())
        assert "apt" in screen.text()


async def test_an_engine_that_was_killed_is_told_of_and_comes_again(open_app):
    async with open_app() as (pilot, screen):
        running = engines()
        for engine in running:
            engine.suspend()  # so that it dies with a request in hand, neither before nor after
        screen.app.screen.edit(screen.draft.with_field("seed", 3))
        await until(pilot, lambda: screen.app.engine("preview").busy)
        for engine in running:
            engine.kill()
        await until(pilot, lambda: "engine ended" in screen.text() and screen.images is None)
        await pilot.press("r")
        await until(pilot, lambda: screen.images is not None)
        screen.app.screen.edit(screen.draft.with_field("seed", 4))  # the next change starts it again for the plan too
        await until(pilot, lambda: "120 images" in screen.plan)


LAYOUT = {
    "characters": "あ" * 169, "least": 4236, "most": 4236, "images": 715_884, "bytes": 2_932_000_000,
    "left_out": [["one", "あいうえお"], ["two", "かきくけこさし"]], "undrawable": "ゐ",
    "unusable": [], "missing_faces": ["klee-regular"], "install": "apt install fonts-klee",
}  # fmt: skip


def test_the_plan_line_in_full():
    assert plan_text(LAYOUT, 64, {"rate": 3977.0, "workers": 2}) == (
        "169 characters × 4,236 = 715,884 images · 64 px · 2.9 GB · about 1 min 30 s · "
        "12 glyphs left out (why: enter) · 1 face not installed"
    )
    assert "time …" in plan_text(LAYOUT, 64, None)
    assert "4,100 to 4,236" in plan_text(LAYOUT | {"least": 4100}, 64, None)


def test_the_details_of_a_plan():
    text = plan_details(LAYOUT)
    assert "one cannot draw あいうえお" in text
    assert "ゐ" in text
    assert "apt install fonts-klee" in text
    whole = LAYOUT | {"left_out": [], "undrawable": "", "missing_faces": []}
    assert plan_details(whole).startswith("Nothing")


def test_a_plan_says_which_faces_cannot_be_used_and_why():
    broken = LAYOUT | {"left_out": [], "undrawable": "", "missing_faces": [], "unusable": [["own", "no index 99"]]}
    assert "1 face cannot be used (why: enter)" in plan_text(broken, 64, None)
    assert plan_details(broken) == "own is left out: no index 99"


async def test_a_key_that_is_held_shows_sheets_while_it_is_held_and_the_last_one_after(open_app):
    async with open_app() as (pilot, screen):
        shown, calls = [screen.images], 0
        while len(shown) < 4:
            for _ in range(2):  # twice before anything can be drawn
                screen.app.screen.action_redraw()
                calls += 1
            await asyncio.sleep(0.01)  # a key that is held comes again
            if screen.images is not shown[-1]:
                shown.append(screen.images)
        assert calls > len(shown)
        await until(pilot, lambda: f"draw {calls + 1} " in screen.text())


async def test_images_that_take_long_give_way_to_others(open_app, monkeypatch):
    async with open_app() as (pilot, screen):
        preview, first, ended = screen.one(PreviewPanel), screen.images, []
        usual = preview._ask

        async def never(recipe):
            monkeypatch.setattr(preview, "_ask", usual)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("given up")

        monkeypatch.setattr(preview, "_ask", never)
        await pilot.press("r")
        await until(pilot, lambda: preview._ask == usual)
        assert not ended
        await pilot.press("r")
        await until(pilot, lambda: screen.images is not first)
        assert ended == ["given up"]
        assert "draw 3 " in screen.text()
