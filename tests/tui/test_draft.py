"""The recipe while it is edited, apart from any screen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanatui.core import paths
from kanatui.core.errors import FontError, ParameterError
from kanatui.dataset.recipe import DEFAULT, Augment, Outliers, Recipe, find_recipe, save_recipe
from kanatui.fonts.faces import STYLES, Face
from kanatui.tui.dataset.draft import Draft, Step, face_patterns, ticked_faces

RECIPE = Recipe(
    "mine",
    [Augment("rotate", 1.0, {"degrees": [-3.0, 3.0]}), Augment("noise", 0.25), Augment("blur")],
    images_per_character=10,
)


def face(id, style):
    return Face(id, style, "regular", "", "", None, 0, "")


FACES = [face(f"{style[:2]}-{i}", style) for style in STYLES for i in range(3)]


@pytest.fixture
def draft():
    return Draft.of(RECIPE)


def plugins_of(draft):
    return [step.augment.plugin for step in draft.steps]


def test_begins_unchanged_and_makes_the_same_recipe(draft):
    assert not draft.changed
    assert draft.recipe().to_dict() == RECIPE.to_dict()


def test_what_is_ticked_off_is_absent_from_the_recipe_and_still_there(draft):
    off = draft.toggled(1)
    assert [step.plugin for step in off.recipe().augments] == ["rotate", "blur"]
    assert off.off == ["noise"]
    assert off.changed
    assert off.toggled(1) == draft


def test_a_step_that_is_ticked_off_can_be_compared(draft):
    off = draft.toggled(0).toggled(1)
    recipe = off.recipe(including=1)
    assert recipe.augments[off.position(1)].plugin == "noise"
    assert len(recipe.augments) == 2


def test_changing_a_value_and_changing_it_back_is_no_change(draft):
    stated = draft.with_value(0, "degrees", (-5.0, 5.0), (-8.0, 8.0))
    assert stated.recipe().augments[0].values["degrees"] == [-5.0, 5.0]
    assert stated.changed
    assert not stated.with_value(0, "degrees", (-3.0, 3.0), (-8.0, 8.0)).changed
    unstated = draft.with_value(1, "sigma", (0.0, 0.5), (0.0, 0.12))
    assert unstated.changed
    assert not unstated.with_value(1, "sigma", (0.0, 0.12), (0.0, 0.12)).changed


def test_probability_is_a_value_of_the_step(draft):
    assert draft.with_value(1, "p", 0.5, 1.0).recipe().augments[1].p == 0.5


def test_steps_move_are_added_and_removed(draft):
    assert plugins_of(draft.moved(0, 1)) == ["noise", "rotate", "blur"]
    assert plugins_of(draft.moved(2, -1)) == ["rotate", "blur", "noise"]
    assert plugins_of(draft.moved(0, -1)) == plugins_of(draft)
    assert plugins_of(draft.moved(2, 1)) == plugins_of(draft)
    assert plugins_of(draft.added("tone", 0)) == ["rotate", "tone", "noise", "blur"]
    assert plugins_of(draft.added("tone", -1)) == ["tone", "rotate", "noise", "blur"]
    assert plugins_of(draft.removed(1)) == ["rotate", "blur"]


def test_fields_that_contradict_each_other_are_an_error_only_when_the_recipe_is_made(draft):
    wrong = draft.with_field("images_per_character", 0)
    assert wrong.changed
    with pytest.raises(ParameterError, match="images_per_character"):
        wrong.recipe()
    assert wrong.with_field("mode", "grid").recipe().mode == "grid"


def test_no_face_ticked_is_an_error_that_says_what_to_do(draft):
    with pytest.raises(FontError, match="tick one"):
        draft.with_faces(FACES, ()).recipe()


def test_ticking_a_face_off_and_on_gives_the_patterns_back():
    draft = Draft.of(RECIPE.but(faces=("ha-*", "-ha-0")))
    ticked = ticked_faces(FACES, draft.fields["faces"])
    assert ticked == {"ha-1", "ha-2"}
    fewer = draft.with_faces(FACES, ticked - {"ha-1"})
    assert fewer.fields["faces"] == ("ha-2",)
    assert not fewer.with_faces(FACES, ticked).changed


@pytest.mark.parametrize(
    ("unticked", "patterns"),
    [
        ((), ("*",)),
        (("go-1",), ("*", "-go-1")),
        (("go-0", "go-1", "go-2"), ("*", "-style:gothic")),
        (tuple(f.id for f in FACES if f.style != "brush"), ("style:brush",)),
        (tuple(f.id for f in FACES if f.id != "mi-2"), ("mi-2",)),
        (tuple(f.id for f in FACES), ()),
    ],
)
def test_patterns_say_it_shortly(unticked, patterns):
    assert face_patterns(FACES, {face.id for face in FACES} - set(unticked)) == patterns


@given(st.sets(st.sampled_from([face.id for face in FACES])))
def test_patterns_choose_just_what_is_ticked(ticked):
    assert ticked_faces(FACES, face_patterns(FACES, ticked)) == ticked


def test_patterns_that_match_nothing_tick_nothing():
    assert ticked_faces(FACES, ["no-such-face"]) == frozenset()


def test_is_kept_between_two_sessions_with_what_is_ticked_off():
    save_recipe(RECIPE, "mine")
    draft = Draft.of(find_recipe("mine")).toggled(1).with_field("image_size", 32).with_faces(FACES, ())
    draft = draft.with_value(0, "degrees", (-5.0, 5.0), None)
    draft.keep()
    kept = Draft.kept()
    assert kept.changed
    assert kept.origin.name == "mine"
    assert kept.fields == draft.fields
    assert kept.steps[1] == Step(Augment("noise", 0.25), on=False)
    assert list(kept.steps[0].augment.values["degrees"]) == [-5.0, 5.0]
    assert kept.sources == {}


def test_without_a_kept_draft_begins_with_the_default_recipe():
    assert Draft.kept().origin.name == DEFAULT


@pytest.mark.parametrize("text", ["", "no toml [", 'origin = "mine"', "origin = 3\nfields = 4\nstep = 5"])
def test_a_kept_draft_that_makes_no_sense_counts_as_none(text):
    paths.config().mkdir(parents=True)
    (paths.config() / "draft.toml").write_text(text)
    assert Draft.kept() == Draft.of(find_recipe(DEFAULT))


def test_a_kept_draft_outlives_the_recipe_that_it_came_from():
    Draft.of(RECIPE).with_field("image_size", 32).keep()
    kept = Draft.kept()
    assert kept.origin.name == DEFAULT
    assert kept.fields["image_size"] == 32
    assert plugins_of(kept) == ["rotate", "noise", "blur"]


def test_after_saving_nothing_is_changed_and_what_is_ticked_off_is_at_hand(draft):
    off = draft.toggled(1)
    saved = off.saved_as(off.recipe().but(name="other"))
    assert not saved.changed
    assert saved.off == ["noise"]


def test_settings_of_glyph_sources_are_changed_back_and_kept(draft, tmp_path):
    changed = draft.with_source("pictures", "style", "brush", "handwriting").with_source("pictures", "folder", "/x", "")
    assert changed.recipe().sources == changed.sources == {"pictures": {"style": "brush", "folder": "/x"}}
    back = changed.with_source("pictures", "style", "handwriting", "handwriting")
    assert back.sources == {"pictures": {"folder": "/x"}}
    assert not back.with_source("pictures", "folder", "", "").changed
    stated = Draft.of(RECIPE.but(sources={"pictures": {"style": "handwriting"}}))
    assert not stated.changed and stated.with_source("pictures", "style", "pen", "handwriting").changed
    assert not stated.with_source("pictures", "style", "handwriting", "handwriting").changed
    changed.keep()
    assert Draft.kept().sources == changed.sources


def test_outliers_stay_in_a_draft_that_has_no_fields_for_them():
    recipe = RECIPE.but(outliers=Outliers(characters=["digits"], share=0.2))
    draft = Draft.of(recipe)
    assert not draft.changed and draft.recipe().to_dict() == recipe.to_dict()
    assert draft.with_field("seed", 7).recipe().outliers == recipe.outliers
