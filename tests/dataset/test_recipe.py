import pytest

from kanatui.core.errors import KanatuiError, ParameterError, PluginError, RecipeError, UsageError
from kanatui.dataset import recipe
from kanatui.dataset.layout import lay_out
from kanatui.dataset.recipe import Augment, Outliers, Recipe, find_recipe, read_recipe, recipe_files, save_recipe
from kanatui.plugins import registry as plugins

TEXT = """
description = "mine"
characters = "hiragana"
mode = "random"
images_per_character = 10
[[augment]]
plugin = "rotate"
degrees = [-3.0, 3.0]
[[augment]]
plugin = "noise"
p = 0.25
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    return path


def changed(path, old, new):
    path.write_text(TEXT.replace(old, new))
    return path


def test_built_in_recipes_are_whole_and_name_known_plugins_only():
    assert {"article", "handwriting", "quick", "digits", "kanji"} <= set(recipe_files())
    for name in recipe_files():
        found = find_recipe(name)
        assert found.description
        assert found.steps(plugins.load())


@pytest.mark.parametrize(("name", "count"), [("digits", 10), ("kanji", 2136)])
def test_pen_strokes_have_every_character_of_the_other_recipes(name, count):
    found = lay_out(find_recipe(name).but(faces=["pen-01", "pen-02"], images_per_character=3), plugins.load())
    assert (len(found.plan.characters), found.undrawable, found.left_out) == (count, "", ())
    assert len(found.plan) == 3 * count


def test_a_face_without_a_character_leaves_it_to_the_others():
    faces = ["dejima-mincho", "klee-regular"]  # the first has no digits
    found = lay_out(find_recipe("digits").but(characters="digits,あ", faces=faces), plugins.load())
    assert found.plan.characters == "0123456789あ" and not found.undrawable
    assert found.left_out == tuple(("dejima-mincho", digit) for digit in "0123456789")


def test_the_article_is_as_published():
    article = find_recipe("article")
    assert article.image_size == 256
    values = {augment.plugin: dict(augment.values) for augment in article.augments}
    assert values["size"]["steps"] == list(range(120, 249, 8))
    assert values["rotate"]["steps"] == [-4, 4, -8, 8]
    assert article.train["batch_size"] == 100 and article.train["epochs"] == 2


def test_a_recipe_survives_writing_and_reading(file, tmp_path):
    first = read_recipe(file)
    again = tmp_path / "again.toml"
    again.write_text(first.to_toml())
    assert read_recipe(again).to_dict() | {"name": "x"} == first.to_dict() | {"name": "x"}
    assert read_recipe(again).fingerprint() == first.fingerprint()
    assert first.augments[1] == Augment("noise", 0.25, {})


def test_every_built_in_recipe_survives_writing_and_reading(tmp_path):
    for name in recipe_files():
        path = tmp_path / f"{name}.toml"
        path.write_text(find_recipe(name).to_toml())
        assert read_recipe(path).to_dict() == find_recipe(name).to_dict()


def test_the_fingerprint_follows_what_decides_pixels():
    base = find_recipe("quick")
    assert base.but(description="other").fingerprint() == base.fingerprint()
    assert base.but(seed=base.seed + 1).fingerprint() != base.fingerprint()
    assert base.without([base.augments[0].plugin]).fingerprint() != base.fingerprint()
    assert base.but(outliers=Outliers()).fingerprint() == base.fingerprint(), "they are not among its images"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('mode = "random"', "mode = ", r"mine.toml: not valid TOML: .*line 4, column"),
        ('mode = "random"', 'mode = "sometimes"', r"recipe.mode: 'sometimes' is not one of grid, random"),
        ('mode = "random"', "colour = 3", r"recipe.colour: no such parameter"),
        ("images_per_character = 10", "images_per_character = -1", r"recipe.images_per_character: -1 is below"),
        ("images_per_character = 10", "", r"recipe.images_per_character: a random recipe needs"),
        ("p = 0.25", "p = 1.5", r"noise.p: 1.5 is above"),
        ('plugin = "noise"', "", r"a step lacks its plugin"),
        ("[[augment]]\nplugin = \"rotate\"", "[augment]\nplugin = \"rotate\"", r"mine.toml: "),
        ('description = "mine"', "train = 3", r"recipe.train: not a table"),
        ('description = "mine"', "outliers = 3", r"recipe.outliers: not a table"),
        ('description = "mine"', "outliers = {share = 2.0}", r"outliers.share: 2 is above"),
        ('description = "mine"', "outliers = {kinds = 2}", r"outliers.kinds: no such parameter"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_what_is_wrong(file, old, new, words):
    with pytest.raises(RecipeError, match=words) as caught:
        read_recipe(changed(file, old, new))
    assert "mine.toml" in str(caught.value) and "\n" not in str(caught.value)


def test_plugin_parameters_are_checked_when_the_recipe_is_used(file):
    registry = plugins.load()
    with pytest.raises(ParameterError, match="rotate.degrees: 99 is above"):
        read_recipe(changed(file, "[-3.0, 3.0]", "[0, 99]")).steps(registry)
    with pytest.raises(ParameterError, match="rotate.speed: no such parameter"):
        read_recipe(changed(file, "degrees", "speed")).steps(registry)
    with pytest.raises(PluginError, match="unknown augmentation 'rotat'"):
        read_recipe(changed(file, '"rotate"', '"rotat"')).steps(registry)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_an_unreadable_file_is_named(tmp_path, content):
    path = tmp_path / "broken.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match="broken.toml"):
        read_recipe(path)


def test_overrides_as_typed(file):
    registry, base = plugins.load(), read_recipe(file)
    assert base.set("rotate.degrees=-8..8", registry).augments[0].values["degrees"] == (-8.0, 8.0)
    assert base.set("noise.p=0.5", registry).augments[1].p == 0.5
    assert base.set("seed=9", registry).seed == 9
    assert base.outliers is None and base.set("outliers.share=0.2", registry).outliers == Outliers(share=0.2)
    words = base.set("outliers.share=0.2", registry).set("outliers.characters=digits,latin", registry).outliers
    assert words == Outliers(share=0.2, characters=("digits", "latin"))
    assert base.without(["noise"]).augments == base.augments[:1]


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("rotate.degrees=-99..8", "rotate.degrees: -99 is below"),
        ("rotate.speed=1", "no such parameter"),
        ("blur.sigma=1..2", "the recipe has no augmentation 'blur'"),
        ("rotate.p=2", "rotate.p: 2 is above"),
        ("rotate.degrees", "not of the form"),
        ("image_size=7", "recipe.image_size: 7 is below"),
        ("outliers.share=-1", "outliers.share: -1 is below"),
        ("outliers.kinds=1", "outliers.kinds: no such parameter"),
    ],
)
def test_wrong_overrides_name_themselves(file, assignment, words):
    with pytest.raises(UsageError, match=words) as caught:
        read_recipe(file).set(assignment, plugins.load())
    assert assignment in str(caught.value)


def test_an_unknown_recipe_suggests_a_near_one():
    with pytest.raises(UsageError, match="did you mean article"):
        find_recipe("artikle")
    with pytest.raises(UsageError, match="there are: "):
        find_recipe("zzz")


def test_the_users_own_recipes_are_found_by_name(file):
    saved = save_recipe(read_recipe(file), "own")
    assert recipe_files()["own"] == saved
    assert find_recipe("own").name == "own"


def test_values_are_copied_not_shared():
    one = Recipe("x", images_per_character=1)
    assert one.but(seed=2).seed == 2 and one.seed == 0
    assert recipe.DEFAULT in recipe_files()
    assert issubclass(RecipeError, KanatuiError)


@pytest.mark.parametrize(
    ("place", "ids"),
    [
        ("", ["size", "noise", "blur"]),
        ("1", ["blur", "size", "noise"]),
        ("3", ["size", "noise", "blur"]),
        ("noise", ["size", "blur", "noise"]),
    ],
)
def test_an_augmentation_is_added_at_a_place(place, ids):
    recipe = Recipe("x", [Augment("size"), Augment("noise")], images_per_character=1)
    assert [step.plugin for step in recipe.added("blur", place).augments] == ids


@pytest.mark.parametrize("place", ["0", "4", "-1", "fade"])
def test_a_place_that_there_is_not_is_told(place):
    recipe = Recipe("x", [Augment("size"), Augment("noise")], images_per_character=1)
    with pytest.raises(UsageError, match=f"--with blur@{place}: .*it has: size, noise"):
        recipe.added("blur", place)
