"""The Dataset screen: the recipe, faces, augmentations, and all of it in every size."""

import numpy as np
import pytest
from PIL import Image
from textual.widgets import Input, OptionList

from kanatui.dataset.recipe import DEFAULT, Augment, find_recipe, save_recipe
from kanatui.fonts.faces import user_file
from kanatui.tui.dataset.adding import AddStep
from kanatui.tui.dataset.browse import Browser
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.dataset.faces import FacesPanel
from kanatui.tui.dataset.steps import StepsPanel
from kanatui.tui.widgets.dialogs import Ask, Confirm, Details
from kanatui.tui.widgets.form import ParameterForm
from kanatui.tui.widgets.pluginforms import PluginForms
from tests.helpers.app import line_of, make_app, screen_text, tells, until
from tests.helpers.dataset_screen import TINY, answer, go
from tests.helpers.own_fonts import ENTRY, write_list

# ── recipe ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def field_of(form, name):
    return next(field for field in form.query("Field") if field.parameter.name == name).query_one(Input)


async def test_a_wrong_value_is_marked_in_place_and_the_rest_goes_on(open_app):
    async with open_app() as (pilot, screen):
        before = screen.draft
        side = field_of(screen.one(ParameterForm), "image_size")
        side.focus()
        side.value = "7"
        await until(pilot, lambda: "✗ 7 is below the minimum, 16" in screen.text())
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
        await until(pilot, lambda: "no set (hiragana" in screen.text())
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
        row = line_of(ticks, "ipaex-gothic")
        ticks.highlighted = row
        await pilot.press("space")
        await until(pilot, lambda: screen.draft.fields["faces"] == ("klee-regular",))
        assert ticks.highlighted == row
        ticks.highlighted = line_of(ticks, "] gothic")
        await pilot.press("space")
        await until(pilot, lambda: "style:gothic" in screen.draft.fields["faces"])
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.fields["faces"] == ("klee-regular",))

        screen.app.screen.edit(screen.draft.with_field("characters", "かきくけ"))
        await until(pilot, lambda: "4/4" in screen.text())
        await pilot.press("i")
        await until(pilot, lambda: isinstance(screen.app.screen, Details))
        await until(pilot, lambda: "apt" in screen.text())


@pytest.fixture
def glyph(tmp_path):
    """A folder with a picture of one character."""
    picture = np.full((64, 64), 255, dtype=np.uint8)
    picture[16:48, 28:36] = 0
    Image.fromarray(picture).save(tmp_path / "U+3042.png")
    return tmp_path


async def test_a_glyph_source_is_set_under_recipe(open_app, glyph):
    async with open_app((80, 24)) as (pilot, screen):
        folder = field_of(screen.app.screen.query_one(PluginForms), "folder")
        folder.focus()
        folder.value = f"{glyph}/nothing"
        await until(pilot, lambda: "✗ folder" in screen.text() and "no such file or folder" in screen.plan)
        folder.value = str(glyph)
        await until(pilot, lambda: screen.draft.sources == {"pictures": {"folder": str(glyph)}})
        screen.app.screen.edit(Draft.of(screen.draft.origin), reset=True)
        await until(pilot, lambda: folder.value == "" and not screen.draft.changed)


async def test_the_face_of_a_glyph_source_is_among_the_faces_once_it_is_set(open_app, glyph):
    async with open_app() as (pilot, screen):
        panel = screen.one(FacesPanel)
        await until(pilot, lambda: panel.filled)
        await go(pilot, "faces")
        await until(pilot, lambda: "3/3" in screen.text())
        ticks = panel.query_one("#faces")
        screen.app.screen.edit(screen.draft.with_source("pictures", "folder", str(glyph), ""))
        await until(pilot, lambda: any("pictures" in str(option.prompt) for option in ticks.options))
        ticks.highlighted = line_of(ticks, "pictures")
        await pilot.press("space")
        await until(pilot, lambda: "pictures" in screen.draft.fields["faces"])
        await until(pilot, lambda: "2 glyphs left" in screen.plan)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(screen.app.screen, Browser))


async def test_a_wrong_entry_is_shown_with_its_reason_among_the_other_faces(open_app):
    write_list(user_file(), ENTRY.replace("brush", "comic"))
    async with open_app() as (pilot, screen):
        panel = screen.one(FacesPanel)
        await until(pilot, lambda: panel.filled)
        await go(pilot, "faces")
        await until(pilot, lambda: "3/3" in screen.text())
        ticks = panel.query_one("#faces")
        ticks.highlighted = line_of(ticks, "mine")
        await until(pilot, lambda: "cannot be used (i: why)" in screen.text())
        await pilot.press("i")
        await until(pilot, lambda: "style 'comic' is none of" in screen.text())


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
        listed.highlighted = line_of(listed, "blur")
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
        await until(pilot, lambda: "degrees" in screen.text() and not panel.busy)
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
        await until(pilot, lambda: "above the maximum" in screen.text())
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
    from kanatui.plugins import registry as plugins

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
        listed = adding.query_one(OptionList)
        listed.highlighted = line_of(listed, "wrong")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(screen.app.screen, Details))
        await pilot.pause()
        assert "Traceback" in screen.text()
        await pilot.press("escape")
        listed.highlighted = line_of(listed, "negative")
        await pilot.press("t")
        await answer(pilot, Confirm, "t")
        await until(pilot, lambda: "negative" in screen.one(StepsPanel).registry.augmentations)
        screen.app.screen_stack[0].edit(screen.draft.added("negative", 2))
        await until(pilot, lambda: screen.images is not None and np.median(screen.images) > 128)
    plugins.reload()


async def test_a_plugin_that_is_saved_is_loaded_again_once_it_is_trusted(open_app, tmp_path, monkeypatch):
    from kanatui.plugins import registry as plugins

    folder = tmp_path / "plugins"
    folder.mkdir()
    file = folder / "negative.py"
    file.write_text(PLUGIN)
    plugins.trust.trust(file)
    monkeypatch.setenv("KANATUI_PLUGINS", str(folder))
    plugins.reload()
    async with open_app() as (pilot, screen):
        screen.app.screen_stack[0].edit(screen.draft.added("negative", 2))
        await until(pilot, lambda: screen.images is not None and np.median(screen.images) > 128)
        await go(pilot, "steps")
        listed = screen.one("#steps")
        listed.highlighted = line_of(listed, "negative")
        await until(pilot, lambda: screen.one(StepsPanel).form is not None)

        grey = PLUGIN.replace("1 - images", "images * 0 + self.grey").replace("import Pixel", "import Float, Pixel")
        file.write_text(
            grey.replace(
                '    id = "negative"',
                '    id = "negative"\n    grey = Float(0.25, min=0.0, max=1.0, help="all pixels")',
            )
        )
        await until(pilot, tells(screen.app, "negative.py has changed"))
        await until(pilot, lambda: "✗ not trusted: a, t" in screen.text())
        await pilot.press("a")
        await until(pilot, lambda: isinstance(screen.app.screen, AddStep))
        adding = screen.app.screen.query_one(OptionList)
        adding.highlighted = line_of(adding, "negative")
        await pilot.press("t")
        await answer(pilot, Confirm, "t")
        await until(pilot, lambda: screen.images is not None and np.unique(screen.images).tolist() == [64])
        await until(pilot, lambda: "grey" in screen.text())

        plugins.trust.trust(file)
        file.write_text("raise ValueError('out of sorts')")
        plugins.trust.trust(file)
        await until(pilot, tells(screen.app, "out of sorts"))
        file.unlink()
        await until(pilot, tells(screen.app, "negative.py is gone"))
    plugins.reload()


async def test_a_step_whose_plugin_is_gone_is_marked(open_app):
    save_recipe(TINY.but(augments=[Augment("vanished")]), "tiny")
    Draft.of(find_recipe("tiny")).keep()
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "unknown augmentation 'vanished'" in screen_text(app))
        await go(pilot, "steps")
        await until(pilot, lambda: "✗ no such plugin" in screen_text(app))


# ── terminals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_tab_and_the_preview_are_there_in_every_size(open_app):
    async with open_app() as (pilot, screen):
        for size in [(80, 24), (200, 60), (120, 40)]:
            await pilot.resize_terminal(*size)
            for tab, word in [
                ("recipe", "rendering"),
                ("faces", "ticked"),
                ("steps", "noise"),
                ("datasets", "No data sets"),
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
    async with open_app(pictures="ascii") as (pilot, screen):
        for size in [(40, 10), (0, 0), (1, 1), (80, 24), (250, 70), (120, 40)]:
            await pilot.resize_terminal(*size)
            await pilot.press("full_stop")
        await until(pilot, lambda: screen.images is not None)
        assert "▀" not in screen.text()
