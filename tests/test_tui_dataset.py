"""The Dataset screen through the real app and engine, with recipes that are small enough to draw at once."""

import numpy as np
import psutil
import pytest
from textual.widgets import Input, OptionList, TabbedContent

from kanatui import fonts, paths
from kanatui.dataset import catalogue
from kanatui.recipe import DEFAULT, Augment, Recipe, find_recipe, save_recipe
from kanatui.tui.dataset.adding import AddStep
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.dataset.faces import FacesPanel
from kanatui.tui.dataset.plan import PlanLine, plan_details, plan_text
from kanatui.tui.dataset.preview import Preview
from kanatui.tui.dataset.progress import Pace, bar, generation_text
from kanatui.tui.dataset.steps import StepsPanel
from kanatui.tui.dataset.zoom import GlyphZoom
from kanatui.tui.widgets.dialogs import Ask, Confirm, Details
from kanatui.tui.widgets.form import ParameterForm
from tests.tui import make_app, screen_text, until

FACES = ("klee-regular", "ipaex-gothic")
TINY = Recipe(
    "tiny",
    [Augment("size", 1.0, {"points": [180.0, 240.0]}), Augment("rotate"), Augment("noise", 1.0, {"sigma": [0.3, 0.3]})],
    characters="あいう",
    faces=FACES,
    image_size=32,
    images_per_character=40,
)


@pytest.fixture(scope="session")
def few_fonts(tmp_path_factory):
    """A font folder with two faces in it, so that looking at all of them is quick and most are missing."""
    folder = tmp_path_factory.mktemp("fonts")
    for face in fonts.load_faces():
        if face.id in FACES:
            (folder / face.path.name).symlink_to(face.path)
    return folder


@pytest.fixture
def tiny(home, few_fonts, monkeypatch):
    """A home whose kept draft is the recipe TINY, saved as `tiny`."""
    monkeypatch.setenv("KANATUI_FONT_PATH", str(few_fonts))
    save_recipe(TINY, "tiny")
    Draft.of(find_recipe("tiny")).keep()


class Screen:
    """What the tests look at."""

    def __init__(self, app):
        self.app = app

    @property
    def draft(self):
        return self.app.screen_stack[0].draft

    def one(self, kind):
        return self.app.screen_stack[0].query_one(kind)

    @property
    def images(self):
        return self.one(Preview)._shown and self.one(Preview)._shown.images

    @property
    def plan(self):
        return str(self.one(PlanLine).content)

    def text(self):
        return screen_text(self.app)


@pytest.fixture
async def open_app(tiny):
    """Open the app and wait until the sheet, the plan and the faces are there."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened(size=(120, 40), **options):
        app = make_app(**options)
        async with app.run_test(size=size) as pilot:
            screen = Screen(app)
            await until(pilot, lambda: app.screen.query(Preview) and screen.images is not None, 60)
            await until(pilot, lambda: "images" in screen.plan)
            await until(pilot, lambda: screen.one(StepsPanel)._registry is not None)
            yield pilot, screen

    return opened


async def go(pilot, tab):
    """Go to a tab by its key, as a user does."""
    for _ in range(5):
        if pilot.app.screen.query_one(TabbedContent).active == f"tab-{tab}":
            break
        await pilot.press("full_stop")
        await pilot.pause()
    await pilot.pause()


async def answer(pilot, dialog, *keys):
    """Wait for a dialog and press keys in it."""
    await until(pilot, lambda: isinstance(pilot.app.screen, dialog))
    await pilot.press(*keys)


# ── preview and plan ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_sheet_and_plan_are_those_of_this_very_recipe(open_app):
    async with open_app() as (pilot, screen):
        first = screen.images
        assert first.shape[1:] == (32, 32)
        assert set(screen.one(Preview)._shown.characters) == set("あいう")
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
        shown = screen.one(Preview)._shown
        title = f"U+{ord(shown.characters[1]):04X} · {shown.faces[1]} · image {shown.numbers[1]}"
        await until(pilot, lambda: title in screen.text())
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
        shown = await until(pilot, lambda: (s := screen.one(Preview)._shown).after is not None and s)
        assert np.median(shown.images) == 0 < np.median(shown.after)
        assert "with noise" in screen.text()
        sheet = screen.one("#preview-sheet")
        assert np.array_equal(sheet._images[0], shown.images[0])
        assert np.array_equal(sheet._images[sheet.columns], shown.after[0])
        await pilot.press("up")
        await until(pilot, lambda: "with rotate" in screen.text())
        await pilot.press("b")
        await until(pilot, lambda: screen.one(Preview)._shown.after is None)

        await pilot.press("down", "space")
        await until(pilot, lambda: np.array_equal(screen.images, noisy))


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
        engines = [child for child in psutil.Process().children() if "kanatui.engine" in child.cmdline()]
        for engine in engines:
            engine.kill()
        screen.app.screen.edit(screen.draft.with_field("seed", 3))
        await until(pilot, lambda: "engine ended" in screen.text() or screen.images is not None)
        await pilot.press("r")
        await until(pilot, lambda: screen.images is not None, 60)
        screen.app.screen.edit(screen.draft.with_field("seed", 4))  # the next change starts it again for the plan too
        await until(pilot, lambda: "120 images" in screen.plan)


LAYOUT = {
    "characters": "あ" * 169, "least": 4236, "most": 4236, "images": 715_884, "bytes": 2_932_000_000,
    "left_out": [["one", "あいうえお"], ["two", "かきくけこさし"]], "undrawable": "ゐ",
    "missing_faces": ["klee-regular"], "install": "apt install fonts-klee",
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


# ── recipe ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def field_of(form, name):
    return next(field for field in form.query("Field") if field.parameter.name == name).query_one(Input)


async def test_a_wrong_value_is_marked_in_place_and_the_rest_goes_on(open_app):
    async with open_app() as (pilot, screen):
        before = screen.draft
        side = field_of(screen.one(ParameterForm), "image_size")
        side.focus()
        side.value = "7"
        await until(pilot, lambda: "✗ 7 is below the least value, 16" in screen.text())
        assert screen.draft is before
        side.value = "40"
        await until(pilot, lambda: screen.images is not None and screen.images.shape[1:] == (40, 40))
        assert "changed" in screen.text()
        assert "Recipe*" in screen.text()
        await pilot.press("escape", "r")  # out of the field letters are keys again
        await until(pilot, lambda: "draw 2" in screen.text())

        characters = field_of(screen.one(ParameterForm), "characters")
        characters.focus()
        characters.value = "nonsense"
        await until(pilot, lambda: "not hiragana, katakana" in screen.text())
        assert screen.draft.fields["characters"] == "あいう"
        characters.value = "かき"
        await until(pilot, lambda: screen.plan.startswith("2 characters"))


async def test_save_as_makes_a_recipe_and_asks_before_it_replaces_one(open_app):
    async with open_app() as (pilot, screen):
        await go(pilot, "steps")
        await pilot.press("space")
        await until(pilot, lambda: screen.draft.changed)
        await pilot.press("s")
        await answer(pilot, Ask, *"tiny2", "enter")
        await until(pilot, lambda: not screen.draft.changed)
        assert [step.plugin for step in find_recipe("tiny2").augments] == ["rotate", "noise"]
        assert screen.one("#recipe-picker").value == "tiny2"
        assert screen.draft.off == ["size"]

        screen.app.screen.edit(screen.draft.with_field("seed", 7))
        await pilot.press("s")
        await answer(pilot, Ask, "enter")
        await answer(pilot, Confirm, "c")
        await pilot.pause()
        assert find_recipe("tiny2").seed == 0
        await pilot.press("s")
        await answer(pilot, Ask, "enter")
        await answer(pilot, Confirm, "r")
        await until(pilot, lambda: find_recipe("tiny2").seed == 7)


async def test_changes_are_not_dropped_unasked(open_app):
    async with open_app() as (pilot, screen):
        changed = screen.draft.with_field("seed", 7)
        screen.app.screen.edit(changed)
        await pilot.press("u")
        await answer(pilot, Confirm, "d")
        await until(pilot, lambda: not screen.draft.changed)

        screen.app.screen.edit(changed)
        picker = screen.one("#recipe-picker")
        picker.value = DEFAULT
        await answer(pilot, Confirm, "k")
        await until(pilot, lambda: picker.value == "tiny")
        assert screen.draft is changed
        picker.value = DEFAULT
        await answer(pilot, Confirm, "d")
        await until(pilot, lambda: screen.draft.origin.name == DEFAULT)
        assert not screen.draft.changed


async def test_the_draft_is_kept_at_once_and_there_again_when_the_app_is(open_app):
    async with open_app() as (pilot, screen):
        screen.app.screen.edit(screen.draft.with_field("seed", 9))
        await until(pilot, lambda: Draft.kept().fields["seed"] == 9)  # a killed app has lost nothing
        screen.app.screen.edit(screen.draft.toggled(1))
    async with open_app() as (_, screen):
        assert screen.draft.off == ["rotate"]
        assert screen.draft.fields["seed"] == 9
        assert screen.draft.changed


async def test_training_is_offered_with_the_recipe_as_it_stands(open_app, monkeypatch):
    async with open_app() as (pilot, screen):
        asked = []
        monkeypatch.setattr(screen.app, "train_with", lambda recipe, dataset: asked.append((recipe, dataset)))
        screen.app.screen.edit(screen.draft.toggled(2))
        await pilot.press("ctrl+t")
        await until(pilot, lambda: asked)
        recipe, dataset = asked[0]
        assert dataset is None
        assert [step["plugin"] for step in recipe["augment"]] == ["size", "rotate"]


# ── faces ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_faces_are_ticked_one_by_one_and_by_style(open_app):
    async with open_app() as (pilot, screen):
        panel = screen.one(FacesPanel)
        await until(pilot, lambda: panel.filled)
        await go(pilot, "faces")
        await until(pilot, lambda: "3/3" in screen.text())
        assert "2 of" in screen.text()
        assert "not installed: fonts-" in screen.text()
        ticks = panel.query_one("#faces")
        row = panel._rows.index(next(i for i, f in enumerate(panel._faces) if f["id"] == "ipaex-gothic"))
        ticks.highlighted = row
        await pilot.press("space")
        await until(pilot, lambda: screen.draft.fields["faces"] == ("klee-regular",))
        assert ticks.highlighted == row
        ticks.highlighted = panel._rows.index("gothic")
        await pilot.press("space")
        await until(pilot, lambda: "style:gothic" in screen.draft.fields["faces"])
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.fields["faces"] == ("klee-regular",))

        screen.app.screen.edit(screen.draft.with_field("characters", "かきくけ"))
        await until(pilot, lambda: "4/4" in screen.text())
        await pilot.press("i")
        await until(pilot, lambda: isinstance(screen.app.screen, Details))
        await until(pilot, lambda: "apt" in screen.text())


# ── augmentations ─────────────────────────────────────────────────────────────────────────────────────────────────────


def plugins_of(screen):
    return [step.augment.plugin for step in screen.draft.steps]


async def test_steps_are_reordered_added_and_removed_by_keys(open_app):
    async with open_app() as (pilot, screen):
        await go(pilot, "steps")
        await pilot.press("J")
        await until(pilot, lambda: plugins_of(screen) == ["rotate", "size", "noise"])
        assert screen.one(StepsPanel).cursor == 1
        await pilot.press("shift+down")
        await until(pilot, lambda: plugins_of(screen) == ["rotate", "noise", "size"])
        await pilot.press("K", "shift+up")
        await until(pilot, lambda: plugins_of(screen) == ["size", "rotate", "noise"])
        assert not screen.draft.changed

        await pilot.press("a")
        await until(pilot, lambda: isinstance(screen.app.screen, AddStep))
        listed = screen.app.screen.query_one(OptionList)
        listed.highlighted = screen.app.screen._ids.index("blur")
        await pilot.press("enter")
        await until(pilot, lambda: plugins_of(screen) == ["size", "blur", "rotate", "noise"])
        await until(pilot, lambda: "sigma" in screen.text())
        await pilot.press("x")
        await until(pilot, lambda: plugins_of(screen) == ["size", "rotate", "noise"])


async def test_the_form_is_that_of_the_step_under_the_cursor(open_app):
    async with open_app() as (pilot, screen):
        panel = screen.one(StepsPanel)
        await go(pilot, "steps")
        await pilot.press(*["down", "up"] * 6, "down")
        await until(pilot, lambda: "degrees" in screen.text() and not panel._form_busy)
        assert len(panel.query(ParameterForm)) == 1
        assert screen.draft.recipe().to_dict() == TINY.to_dict()

        await pilot.press("down")
        await until(pilot, lambda: "sigma" in screen.text())
        before = screen.images
        field_of(panel.query_one(ParameterForm), "sigma").value = "0..0"
        await until(pilot, lambda: screen.images is not before)
        assert screen.draft.steps[2].augment.values["sigma"] == (0.0, 0.0)
        chance = field_of(panel.query_one(ParameterForm), "p")
        chance.value = "0.5"
        await until(pilot, lambda: screen.draft.steps[2].augment.p == 0.5)
        await until(pilot, lambda: "50 % of images" in screen.text())
        chance.value = "2"
        await until(pilot, lambda: "above the greatest value" in screen.text())
        assert screen.draft.steps[2].augment.p == 0.5


PLUGIN = '''
"""Turn black into white."""

from kanatui import Pixel, hookimpl


class Negative(Pixel):
    id = "negative"

    def draw(self, keys, size):
        return {}

    def apply(self, images, drawn):
        return 1 - images


@hookimpl
def kanatui_augmentations():
    return [Negative]
'''


async def test_plugins_that_failed_or_are_not_trusted_are_shown(open_app, tmp_path, monkeypatch):
    from kanatui import plugins

    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "negative.py").write_text(PLUGIN)
    (folder / "wrong.py").write_text("raise ValueError('out of sorts')")
    monkeypatch.setenv("KANATUI_PLUGINS", str(folder))
    plugins.trust.trust(folder / "wrong.py")
    plugins.reload()
    async with open_app() as (pilot, screen):
        await go(pilot, "steps")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(screen.app.screen, AddStep))
        await until(pilot, lambda: "out of sorts" in screen.text())
        adding = screen.app.screen
        rows = [source.name for source in adding._sources]
        adding.query_one(OptionList).highlighted = len(adding._ids) + rows.index("wrong")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(screen.app.screen, Details))
        await pilot.pause()
        assert "Traceback" in screen.text()
        await pilot.press("escape")
        adding.query_one(OptionList).highlighted = len(adding._ids) + rows.index("negative")
        await pilot.press("t")
        await answer(pilot, Confirm, "t")
        await until(pilot, lambda: "negative" in screen.one(StepsPanel)._registry.augmentations)
        screen.app.screen_stack[0].edit(screen.draft.added("negative", 2))
        await until(pilot, lambda: screen.images is not None and np.median(screen.images) > 128, 60)
    plugins.reload()


async def test_a_step_whose_plugin_is_gone_is_marked(open_app):
    save_recipe(TINY.but(augments=[Augment("vanished")]), "tiny")
    Draft.of(find_recipe("tiny")).keep()
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "unknown augmentation 'vanished'" in screen_text(app), 60)
        await go(pilot, "steps")
        await until(pilot, lambda: "✗ no such plugin" in screen_text(app))


# ── data sets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_data_set_is_generated_shown_and_deleted(open_app):
    async with open_app() as (pilot, screen):
        await pilot.press("g")
        await answer(pilot, Ask, "enter")
        await until(pilot, lambda: screen.app.screen.query_one("#generation").display, 30)
        await go(pilot, "datasets")
        await until(pilot, lambda: "✓ complete" in screen.text(), 60)
        assert not screen.one("#generation").display
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(screen.app.screen, Details))
        await pilot.pause()
        assert "120 of 120 images" in screen.text()
        await pilot.press("escape", "g")
        await until(pilot, lambda: isinstance(screen.app.screen, Ask))
        assert screen.app.screen.query_one(Input).value == "tiny-2"
        screen.app.screen.query_one(Input).value = "tiny"
        await until(pilot, lambda: "there is one already" in screen.text())
        await pilot.press("enter", "escape")
        await pilot.press("x")
        await answer(pilot, Confirm, "d")
        await until(pilot, lambda: "no data sets yet" in screen.text())
    assert not (paths.datasets() / "tiny").exists()


LARGE = TINY.but(image_size=128, images_per_character=6_000, augments=[Augment("size"), Augment("elastic")])


async def test_a_generation_outlives_the_app_is_stopped_and_goes_on(open_app):
    save_recipe(LARGE, "tiny")
    Draft.of(find_recipe("tiny")).keep()
    async with open_app() as (pilot, screen):
        await pilot.press("g")
        await answer(pilot, Ask, "enter")
        await until(pilot, lambda: catalogue.process_of("tiny") is not None)
    assert catalogue.process_of("tiny") is not None
    async with open_app() as (pilot, screen):
        await until(pilot, lambda: "images/s" in screen.text(), 60)
        assert "%" in screen.text()
        await pilot.press("c")
        await until(pilot, lambda: "stopped at" in screen.text(), 30)
        done = next(data for data in catalogue.Catalogue().look()).done
        assert 0 < done < 18_000
        await pilot.press("R")
        await until(pilot, lambda: catalogue.process_of("tiny") is not None)
        await until(pilot, lambda: next(iter(catalogue.Catalogue().look())).done > done, 60)
        await pilot.press("c")
        await until(pilot, lambda: catalogue.process_of("tiny") is None, 30)


async def test_a_generation_that_fails_says_why_and_shows_its_log(open_app):
    async with open_app() as (pilot, screen):
        await pilot.press("g")
        await until(pilot, lambda: isinstance(screen.app.screen, Ask))
        order = paths.cache() / "generate"
        order.mkdir(exist_ok=True)
        await pilot.press("enter")
        folder = paths.datasets() / "tiny"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stray.txt").write_text("in the way")
        await until(pilot, lambda: "✗ tiny failed" in screen.text(), 60)
        await pilot.press("l")
        await until(pilot, lambda: isinstance(screen.app.screen, Details))
        await pilot.pause()
        assert "not empty" in screen.text()


def test_the_line_of_a_generation_says_how_far_and_how_fast(tmp_path):
    folder = tmp_path / "kana"
    data = catalogue.Entry("kana", folder, "writing", done=250, images=1000, image_size=64, bytes_done=1_024_000)
    assert generation_text(data, 50.0, plain=True) == (
        "● kana ####............ 25.0 % · 250/1,000 images · 50 images/s · 15 s left · 1.0 MB written (c: stop)"
    )
    assert "left" not in generation_text(data, 0.0)
    assert bar(1.0) == "━" * 16


def test_pace_is_taken_over_the_last_seconds(tmp_path):
    pace = Pace()

    def at(done):
        return catalogue.Entry("kana", tmp_path, "writing", done=done, images=10_000)

    for second in range(100):
        pace.note([at(100 * second if second < 50 else 5000 + 10 * (second - 50))], float(second))
    assert pace.rate(at(0)) == pytest.approx(10.0)
    pace.note([catalogue.Entry("kana", tmp_path, "complete")], 100.0)
    assert pace.rate(at(0)) == 0.0


# ── terminals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_tab_and_the_preview_are_there_in_every_size(open_app):
    async with open_app() as (pilot, screen):
        for size in [(80, 24), (200, 60), (120, 40)]:
            await pilot.resize_terminal(*size)
            for tab, word in [
                ("recipe", "rendering"),
                ("faces", "ticked"),
                ("steps", "noise"),
                ("datasets", "no data"),
            ]:
                await go(pilot, tab)
                await until(pilot, lambda word=word: word in screen.text() and "あ" in screen.text())
                assert "120 images" in screen.text()
        sheet = screen.one("#preview-sheet")
        few = sheet.columns
        await pilot.press("v")
        await until(pilot, lambda: sheet.columns > few)
        await pilot.press("v")
        await until(pilot, lambda: sheet.columns == few)


async def test_resizing_at_any_moment_is_safe_with_plain_characters_too(open_app):
    async with open_app(plain=True) as (pilot, screen):
        for size in [(40, 10), (0, 0), (1, 1), (80, 24), (250, 70), (120, 40)]:
            await pilot.resize_terminal(*size)
            await pilot.press("full_stop")
        await until(pilot, lambda: screen.images is not None)
        assert "▀" not in screen.text()
