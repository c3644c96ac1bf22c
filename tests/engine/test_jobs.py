"""What the engine's jobs answer, asked without a process between."""

import numpy as np
import pytest

from kanatui.core.errors import FontError, ParameterError
from kanatui.dataset.layout import lay_out, size_on_disk
from kanatui.dataset.recipe import Augment, Recipe
from kanatui.dataset.sparse import spread
from kanatui.dataset.stream import GlyphStream
from kanatui.engine import jobs
from kanatui.engine.context import Context
from kanatui.fonts.faces import load_faces
from kanatui.plugins import registry as plugins

FACES = ["klee-regular", "yusei-magic", "kouzan-gyosho"]
STEPS = [
    Augment("size", values={"points": [140.0, 248.0], "steps": [128.0, 192.0]}),
    Augment("shift", values={"divisors": [2.0]}),
    Augment("elastic", p=0.8),
    Augment("rotate", values={"steps": [-4.0, 8.0]}),
    Augment("noise", p=0.6),
]


def recipe(*steps, **fields):
    base = {"characters": "あいうヵ", "faces": FACES, "image_size": 32, "mode": "random", "images_per_character": 90}
    return Recipe(augments=steps, **{**base, **fields})


GRID = {"mode": "grid", "images_per_character": 0}


@pytest.fixture
def ask():
    """Do a job in a context of this test's own; `ask.all()` does what its thread would do."""
    context, told, wanted = Context(), [], []
    context.prefetcher.want = lambda *layout: wanted.append(layout)

    def do(job, made=None, **arguments):
        told.clear()
        if made is not None:
            arguments["recipe"] = made.to_dict()
        return jobs.find(job)(context, arguments, lambda done, total, text="": told.append((done, total, text)))

    def everything():
        while wanted:
            context.prefetcher.fetch(*wanted.pop())

    do.all, do.told, do.context = everything, told, context
    return do


@pytest.fixture
def some_fonts(monkeypatch, tmp_path):
    """A folder that holds the fonts of two faces, and nothing else is installed."""
    for face in load_faces():
        if face.id in ("klee-regular", "yusei-magic"):
            (tmp_path / face.path.name).symlink_to(face.path)
    monkeypatch.setenv("KANATUI_FONT_PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("made", [recipe(*STEPS), recipe(*STEPS, **GRID), recipe(*STEPS, rendering="exact")])
@pytest.mark.parametrize("draw", [0, 3])
def test_a_sheet_shows_images_of_the_very_data_set(ask, made, draw):
    stream = GlyphStream(made, plugins.load())
    wanted = spread(stream.plan, 12, draw)
    ask("sheet", made, count=12, draw=draw)
    ask.all()
    answer = ask("sheet", made, count=12, draw=draw)
    assert np.array_equal(answer.arrays["images"], stream.images(wanted))
    assert answer.data["characters"] == "".join(stream.characters[label] for label in stream.labels(wanted))
    assert answer.data["faces"] == [stream.face_ids[face] for face in stream.faces(wanted)]
    assert answer.data["numbers"] == stream.plan.rows(wanted)["number"].tolist()


def test_before_all_masters_were_seen_a_sheet_differs_by_rounding_at_most(ask):
    made = recipe(*STEPS)
    first = ask("sheet", made, count=12).arrays["images"].astype(int)
    ask.all()
    difference = np.abs(first - ask("sheet", made, count=12).arrays["images"])
    assert difference.max() <= 2 and (difference > 0).mean() < 0.001


@pytest.fixture
def fetched(monkeypatch):
    """The glyphs (face, character) that fonts were asked for."""
    glyphs = []
    cls = plugins.load().glyph_sources["fonts"]
    masters = cls.masters

    def counted(self, face, characters, em):
        glyphs.extend((face.id, character) for character in characters)
        return masters(self, face, characters, em)

    monkeypatch.setattr(cls, "masters", counted)
    return glyphs


def test_a_sheet_fetches_the_glyphs_that_it_shows_and_no_others(ask, fetched):
    made = recipe(*STEPS)
    shown = ask("sheet", made, count=6).data
    assert sorted(fetched) == sorted(set(zip(shown["faces"], shown["characters"], strict=True)))
    fetched.clear()
    ask("sheet", made.but(augments=STEPS[:2]), count=6)
    assert not fetched
    ask.all()
    assert fetched
    fetched.clear()
    ask("sheet", made, count=40, draw=7)
    ask.all()
    assert not fetched


def test_a_stream_of_the_context_fetches_the_glyphs_of_the_images_asked_for_and_no_others(ask, fetched):
    made = recipe(*STEPS)
    stream = ask.context.stream(made, lambda *_, **__: None)
    whole = GlyphStream(made, plugins.load())
    wanted = stream.offsets[:-1] + np.array([3, 80, 14, 50])
    images = stream.images(wanted)
    rows = stream.plan.rows(wanted)
    assert sorted(fetched) == sorted((stream.face_ids[row["face"]], chr(row["character"])) for row in rows.rows)
    assert len(fetched) == 4 < stream.plan.coverage.sum()
    difference = np.abs(images.astype(int) - whole.images(wanted))
    assert difference.max() <= 2 and (difference > 0).mean() < 0.001  # the largest master is not known yet
    ask("sheet", made, count=1)
    ask.all()
    assert np.array_equal(stream.images(wanted), whole.images(wanted))


def test_another_draw_shows_other_images_and_all_characters_are_shown(ask):
    first, second = (ask("sheet", recipe(*STEPS), count=8, draw=draw) for draw in (0, 1))
    assert set(first.data["characters"]) == set(second.data["characters"]) == set("あいうヵ")
    assert not set(zip(first.data["characters"], first.data["numbers"], strict=True)) & set(
        zip(second.data["characters"], second.data["numbers"], strict=True)
    )


def test_a_sheet_never_has_more_images_than_there_are_and_may_be_smaller(ask):
    answer = ask("sheet", recipe(images_per_character=2), count=100, side=16)
    assert answer.arrays["images"].shape == (8, 16, 16)
    assert ask("sheet", recipe(), count=1, side=999).arrays["images"].shape == (1, 32, 32)


def test_characters_without_images_are_passed_over():
    layout = lay_out(recipe(*STEPS, mode="grid", images_per_character=1), plugins.load())
    layout.plan.counts[1] = 0  # as where the only faces that draw a character were capped away
    layout.plan.offsets = np.concatenate([[0], np.cumsum(layout.plan.counts)])
    assert spread(layout.plan, 50).tolist() == [0, 1, 2]


@pytest.mark.parametrize("step", [2, 4])
def test_before_and_after_are_the_same_images_without_and_with_a_step(ask, step):
    made = recipe(*STEPS)
    ask("sheet", made, count=1)
    ask.all()
    answer = ask("before_after", made, step=step, count=9)
    for name, end in (("before", step), ("after", step + 1)):
        stream = GlyphStream(made.but(augments=STEPS[:end]), plugins.load())
        assert np.array_equal(answer.arrays[name], stream.images(spread(stream.plan, 9)))
    assert (answer.arrays["before"] != answer.arrays["after"]).any()


@pytest.mark.parametrize(("step", "offers"), [(0, 2), (1, 4), (3, 2)])
def test_in_a_grid_before_is_the_image_that_a_placement_multiplied(ask, step, offers):
    made = recipe(*STEPS, **GRID)
    ask("sheet", made, count=1)
    ask.all()
    answer = ask("before_after", made, step=step, count=9)
    before = GlyphStream(made.but(augments=STEPS[:step]), plugins.load())
    after = GlyphStream(made.but(augments=STEPS[: step + 1]), plugins.load())
    assert len(after) == offers * len(before)
    wanted = spread(after.plan, 9)
    assert np.array_equal(answer.arrays["after"], after.images(wanted))
    table = after.plan.rows(wanted)
    numbers = table["number"] // offers  # of one face and placement every offer, then the next
    earlier = before.plan.rows(before.offsets[after.labels(wanted)] + numbers).replace()
    earlier.rows["key"] = table["key"]  # what later steps draw at random goes by the image that is shown
    assert np.array_equal(answer.arrays["before"], before.draw(earlier))


@pytest.mark.parametrize("fields", [{}, GRID], ids=["random", "grid"])
def test_stages_begin_with_the_bare_glyph_and_end_with_the_image_of_the_data_set(ask, fields):
    made = recipe(*STEPS, **fields)
    ask("sheet", made, count=1)
    ask.all()
    index = ask("sheet", made, count=9).data["indices"][4]
    answer = ask("stages", made, index=index)
    images, steps = answer.arrays["images"], answer.data["steps"]
    stream = GlyphStream(made, plugins.load())
    assert np.array_equal(images[-1], stream.images([index])[0])
    assert [step["plugin"] for step in steps] == [step.plugin for step in STEPS]
    row = stream.plan.rows([index]).rows[0]
    assert steps[0]["drawn"] == f"size {row['point_size']:.0f}"
    sense = "clockwise" if row["rotation"] >= 0 else "anticlockwise"
    assert steps[3]["drawn"] == f"{abs(row['rotation']):.1f}° {sense}"
    for place, step in enumerate(steps):
        changed = (images[place] != images[place + 1]).any()
        assert changed or step["drawn"].startswith(("no", "size 192"))
        assert not (changed and step["drawn"].startswith("not this image"))


def test_stages_tell_what_was_drawn_for_each_parameter(ask):
    made = recipe(
        Augment("blur", 1.0, {"sigma": [0.5, 0.9]}),
        Augment("noise", 1.0, {"sigma": [0.25, 0.25]}),
        Augment("erase", 1.0),
    )
    blur, noise, erase = (step["drawn"] for step in ask("stages", made, index=3).data["steps"])
    assert 0.5 <= float(blur.removeprefix("sigma ")) <= 0.9
    assert noise == "sigma 0.25"
    assert any(letter.isdecimal() for letter in erase)


def test_before_and_after_outside_the_recipe_s_steps_is_an_error(ask):
    with pytest.raises(IndexError):
        ask("before_after", recipe(*STEPS), step=9, count=2)


def test_layout_says_what_a_recipe_makes(ask):
    data = ask("layout", recipe(*STEPS, **GRID)).data
    plan = lay_out(recipe(*STEPS, **GRID), plugins.load()).plan
    assert data["characters"] == "あいうヵ" and data["images"] == len(plan)
    assert (data["least"], data["most"]) == (plan.counts.min(), plan.counts.max())
    assert data["bytes"] == size_on_disk(len(plan), 32)
    assert not data["missing_faces"] and data["install"] == ""


def test_layout_says_what_is_left_out_and_missing(ask, some_fonts):
    yi = "\ua000"
    data = ask("layout", recipe(characters=f"あ{yi}")).data
    assert data["undrawable"] == yi and data["characters"] == "あ"
    assert data["left_out"] == [("klee-regular", yi), ("yusei-magic", yi)]
    assert data["missing_faces"] == ["kouzan-gyosho"] and "apt-get install" in data["install"]


def test_a_recipe_none_of_whose_faces_is_installed_is_an_error(ask, monkeypatch, tmp_path):
    monkeypatch.setenv("KANATUI_FONT_PATH", str(tmp_path))
    with pytest.raises(FontError, match="none of the recipe's 3 faces is installed"):
        ask("layout", recipe())


def test_layout_of_a_wrong_recipe_is_an_error(ask):
    with pytest.raises(ParameterError, match="elastic"):
        ask("layout", recipe(Augment("elastic", values={"strength": [0.0, 1e9]})))


def test_faces_are_listed_with_what_they_draw(ask, some_fonts):
    data = ask("faces", characters="あい,U+A000").data
    listed = {face["id"]: face for face in data["faces"]}
    assert {face.id for face in load_faces()} <= set(listed)
    assert listed["klee-regular"] == {
        "id": "klee-regular",
        "style": "handwriting",
        "weight": "regular",
        "licence": "OFL-1.1",
        "source": "fonts",
        "package": "fonts-klee",
        "installed": True,
        "covered": 2,
        "of": 3,
        "problem": "",
    }
    assert not listed["kouzan-gyosho"]["installed"] and listed["kouzan-gyosho"]["covered"] == 0
    assert "apt-get install" in data["install"]
    assert ask.told[-1][:2] == (len(listed), len(listed))


def test_a_broken_font_hides_no_other_face(ask, some_fonts):
    (some_fonts / "KleeOne-Regular.ttf").unlink()
    (some_fonts / "KleeOne-Regular.ttf").write_bytes(b"no font")
    listed = {face["id"]: face for face in ask("faces", characters="あ").data["faces"]}
    assert listed["klee-regular"]["installed"] and "cannot be used" in listed["klee-regular"]["problem"]
    assert listed["yusei-magic"]["covered"] == 1


def test_the_rate_is_measured_once_for_all_seeds(ask):
    first = ask("rate", recipe(*STEPS)).data
    assert first["rate"] > 0 and first["workers"] >= 1
    assert (0, 1, "measuring the rate") in ask.told
    assert ask("rate", recipe(*STEPS, seed=9, images_per_character=7)).data == first
    assert (0, 1, "measuring the rate") not in ask.told


def test_a_job_that_nobody_wants_any_more_is_left(ask):
    class Unwanted(Exception):  # noqa: N818
        pass

    def report(done, total, text=""):
        raise Unwanted

    for job in ("faces", "layout", "sheet", "rate"):
        with pytest.raises(Unwanted):
            jobs.find(job)(ask.context, {"recipe": recipe().to_dict(), "count": 1}, report)
