"""The Evaluate screen and the jobs behind it, on two models that are really trained, on six characters."""

import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len
from textual.widgets import DataTable, Input, Select, Static

from kanatui.cli import run
from kanatui.core.errors import ImageError, RunError, UsageError
from kanatui.dataset.open import open_source
from kanatui.evaluation.evaluate import evaluate, open_pictures
from kanatui.evaluation.scores import Scores
from kanatui.evaluation.scoring import open_held_out, read_source
from kanatui.evaluation.store import list_evaluations
from kanatui.model.weights import load_weights
from kanatui.pictures.prepare import hypotheses
from kanatui.training.provenance import provenance_of
from kanatui.training.runs import find_run
from kanatui.tui.evaluate.characters import CharacterTable
from kanatui.tui.evaluate.confusions import ConfusionMap
from kanatui.tui.evaluate.images import ImageZoom
from kanatui.tui.evaluate.progress import ProgressLine
from kanatui.tui.widgets.glyphs import GlyphSheet
from tests.helpers.app import make_app, screen_text, shows, suspended_engine, tells, until

CHARACTERS = "いシツへヘゃ"
FACES = "noto-sans-cjk-jp-regular,noto-sans-cjk-jp-bold,noto-serif-cjk-jp-regular"
TRAIN = [
    "train", "quick", "--characters", CHARACTERS, "--faces", FACES, "--hold-out-faces", "noto-serif-cjk-jp-regular",
    "--images-per-character", "120", "--batch-size", "32", "--hold-out", "0.2", "--workers", "0", "--validations", "1",
    "--precision", "float32",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained_runs(tmp_path_factory, share_cache):
    """A folder of two finished runs on the same data; the second has learnt less."""
    folder = share_cache(tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KANATUI_HOME", str(folder))
        assert run([*TRAIN, "--epochs", "3"]) == 0
        assert run([*TRAIN, "--epochs", "1", "--seed", "1"]) == 0
    return folder / "runs"


@pytest.fixture
def first(trained_runs, home):
    """The first of the two runs, in the test's own home."""
    shutil.copytree(trained_runs, home / "runs")
    return find_run("1")


@pytest.fixture
def labelled(tmp_path):
    """A folder with a few labelled pictures, one of them without ink."""
    for place, character in enumerate("いいシへ"):
        folder = tmp_path / "labelled" / character
        folder.mkdir(parents=True, exist_ok=True)
        values = np.full((40, 40), 255, dtype=np.uint8)
        values[8 + place : 30, 10 : 14 + 3 * place] = 0
        Image.fromarray(values).save(folder / f"{place}.png")
    Image.new("L", (30, 30), 255).save(tmp_path / "labelled" / "へ" / "blank.png")
    return tmp_path / "labelled"


def silent(done, total, text):
    pass


def made(run):
    return list_evaluations(run.path / "evaluations")


def test_an_evaluation_is_the_same_as_the_command_lines_and_is_kept(first):
    told = []
    done = evaluate("1", {"kind": "held_out"}, None, 60, lambda *step: told.append(step))
    classifier = load_weights(first.weights())
    source, images, _ = open_held_out(provenance_of(first.weights()), classifier)
    scores = Scores.of(read_source(classifier, source, images.sample(60)))
    assert done.total == scores.total and dict(done.by_script) == scores.by_script
    assert (done.run, done.where, done.kind, done.limit) == (first.id, first.id, "held_out", 60)
    assert 0 < done.total.images <= 60 < done.available == len(images) and done.step > 0
    assert made(first) == [done]
    predictions, files = done.load()
    assert Scores.of(predictions) == scores and files == []
    assert told[-1] == (done.total.images, done.total.images, "reading")
    assert {text for _, _, text in told} >= {"opening the model", "reading"}


def test_pictures_are_opened_again_as_the_model_saw_them(first, labelled):
    done = evaluate("1", {"kind": "faces"}, None, None, silent)
    assert done.faces == ("noto-serif-cjk-jp-regular",)
    records = [0, 5, 3]
    images, told, errors = open_pictures(done, records, open_source)
    source = open_source(first.config["source"])
    assert (images == source.images(done.load()[0].records["image"][records])).all() and errors == []
    assert all(text.startswith("face noto-serif-cjk-jp-regular\n") for text in told)

    done = evaluate("1", {"kind": "folder", "path": str(labelled)}, None, None, silent)
    predictions, files = done.load()
    assert done.total.images == 5 and sorted(files) == ["い/0.png", "い/1.png", "へ/3.png", "へ/blank.png", "シ/2.png"]
    places = [predictions.records["image"].tolist().index(files.index(name)) for name in ("シ/2.png", "へ/blank.png")]
    (labelled / "シ" / "2.png").rename(labelled / "kept.png")
    images, _, errors = open_pictures(done, places, open_source)
    assert not images.any() and len(errors) == 2 and "2.png" in errors[0] and "no ink" in errors[1]
    (labelled / "kept.png").rename(labelled / "シ" / "2.png")
    images, _, _ = open_pictures(done, places, open_source)
    assert any(
        (images[0] == image).all()
        for image in hypotheses(Image.open(labelled / "シ" / "2.png"), done.image_size).images
    )


def test_another_runs_images_are_read_and_overlap_with_training_is_noted(first):
    done = evaluate("2", {"kind": "held_out", "run": first.id}, "シツ", None, silent)
    own = evaluate("1", {"kind": "held_out"}, "シツ", None, silent)
    assert done.where == first.id and done.path.parent.parent.name.startswith("002") and done.data == own.data
    assert done.note == "" and done.candidates == "シツ"
    assert (np.sort(done.load()[0].records["image"]) == np.sort(own.load()[0].records["image"])).all()
    other = shutil.copytree(first.path, first.path.with_name("003-other"))
    config = other / "config.toml"
    config.write_text(config.read_text().replace("split_seed = 0", "split_seed = 5"))
    done = evaluate("3", {"kind": "held_out", "run": first.id}, None, 30, silent)
    assert "was trained on some of these" in done.note


def test_what_cannot_be_evaluated_says_why_in_one_line(first, tmp_path):
    (tmp_path / "empty").mkdir()
    shutil.copy(first.weights(), tmp_path / "lone.safetensors")
    for model, source, error, words in (
        ("9", {"kind": "held_out"}, RunError, "no run '9'"),
        ("1", {"kind": "video"}, UsageError, "unknown source 'video'"),
        ("1", {"kind": "folder", "path": str(tmp_path / "empty")}, ImageError, "no labelled pictures"),
        (str(tmp_path / "lone.safetensors"), {"kind": "held_out"}, RunError, "not known which images"),
    ):
        with pytest.raises(error, match=words) as caught:
            evaluate(model, source, None, None, silent)
        assert "\n" not in str(caught.value)
    config = find_run("2").path / "config.toml"
    config.write_text(re.sub(r"image_size = \d+", "image_size = 16", config.read_text()))
    with pytest.raises(RunError, match=r"its images are of 6 characters at 16 px, the model reads 6 at \d+ px"):
        evaluate("1", {"kind": "held_out", "run": "2"}, None, None, silent)
    done = evaluate("1", {"kind": "held_out"}, None, 12, silent)
    config = first.path / "config.toml"
    config.write_text(config.read_text().replace("images_per_character = 120", "images_per_character = 119"))
    with pytest.raises(RunError, match="its data have changed since .*; evaluate again"):
        open_pictures(done, [0], open_source)


def test_whatever_a_report_raises_ends_an_evaluation_without_a_trace(first):
    def report(done, total, text):
        if text == "reading" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("1", {"kind": "held_out"}, None, None, report)
    assert made(first) == [] and not os.path.exists(first.path / "evaluations")


# --- the screen ---


def text_of(app, selector):
    return str(app.screen.query_one(selector, Static).content)


def rows(app, table):
    found = app.screen.query_one(table, DataTable)
    return [[str(cell) for cell in found.get_row_at(row)] for row in range(found.row_count)]


def sheet(app):
    return app.screen.query_one("#sheet", GlyphSheet)


def images_shown(app):
    return len(sheet(app).images)


async def look_closer(app, pilot):
    """From the list, the map or the differences to their images, and from there to one of them."""
    await pilot.press("enter")
    await until(pilot, lambda: app.focused is sheet(app))
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, ImageZoom))


async def test_without_runs_the_screen_says_what_to_do(home):
    app = make_app("evaluate")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, shows(app, "press 2 for Train, then n to train one"))
        await pilot.press("e", "c", "m", "i", "v", "f", "x", "delete", "escape")
        await pilot.resize_terminal(1, 1)
        await pilot.resize_terminal(80, 24)
        await until(pilot, shows(app, "no run yet"))


async def test_a_run_is_evaluated_and_looked_through_by_keys(first):
    app = make_app("evaluate")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, shows(app, "002-quick"))
        await until(pilot, shows(app, "has not been evaluated yet"))
        await until(pilot, lambda: app.focused is not None and app.focused.id == "run")
        await until(pilot, shows(app, "run: the model that reads"))
        app.evaluate_run(first.id)
        await until(pilot, lambda: app.screen.choices.run == first.id)
        engine = await suspended_engine(app, "evaluate")
        await pilot.press("e")
        await until(pilot, shows(app, "x cancels"))
        engine.resume()
        await until(pilot, lambda: app.screen.loaded is not None)
        await until(pilot, lambda: app.focused is app.screen.query_one("#character-table"))
        (evaluation,) = made(first)
        assert evaluation.run == first.id and evaluation.kind == "held_out"
        scores = app.screen.loaded.scores
        total = scores.total
        await until(pilot, shows(app, f"strict {100 * total['strict']:.1f} %"))
        assert f"folded {100 * total['folded']:.1f} %" in screen_text(app)
        assert "hiragana" in screen_text(app) and "katakana" in screen_text(app)

        # Characters, worst first, below the row of all of them.
        listed = [row[0][0] for row in rows(app, "#character-table")][1:]
        folded = [scores.per_character[character]["folded"] for character in listed]
        assert sorted(listed) == sorted(CHARACTERS) and folded == sorted(folded)
        wrong = app.screen.loaded.predictions.misread(folded=True)
        assert len(wrong), "the model should not be perfect, or there is nothing to look at"
        await until(pilot, lambda: images_shown(app) == min(60, len(wrong)))
        assert f"all: {len(wrong):,} misread" in screen_text(app)

        # Strict instead of folded.
        await pilot.press("f")
        wrong = app.screen.loaded.predictions.misread()
        await until(pilot, shows(app, f"all: {len(wrong):,} misread"))
        await until(pilot, lambda: images_shown(app) == min(60, len(wrong)))

        # Folding keeps the cursor on its character.
        await pilot.press("c", "down", "down")
        table = app.screen.query_one(CharacterTable)
        here = await until(pilot, lambda: table.cursor_row == 2 and table.character)
        await pilot.press("f")
        await until(pilot, tells(app, "look-alikes count as the same"))
        await until(pilot, lambda: table.character == here)
        await pilot.press("f")
        await until(pilot, lambda: table.character == here)

        # The map: the worst confusion first, its images beside it, and a closer look at one.
        await pilot.press("m")
        worst = next(confusion for confusion in scores.confusions if not confusion.folded)  # chosen while folded
        among = scores.per_character[worst.truth].images
        said = f"{worst.truth} read as {worst.read}: {worst.count} of {among}"
        await until(pilot, lambda: text_of(app, "#about").startswith(said))
        assert text_of(app, "#cell").startswith(said)
        await until(pilot, lambda: images_shown(app) == min(60, worst.count))
        predictions = app.screen.loaded.predictions
        place = predictions.cell(worst.truth, worst.read)[0]
        sure = f"{worst.read} {100 * predictions.records['probabilities'][place, 0]:.0f} %"
        await until(pilot, shows(app, sure))
        await look_closer(app, pilot)
        assert f"shows {worst.truth}" in screen_text(app) and "✓" in screen_text(app)
        await pilot.press("right", "escape")
        await until(pilot, lambda: not isinstance(app.screen, ImageZoom))
        await until(pilot, lambda: sheet(app).cursor == 1 % worst.count)
        await pilot.press("escape")
        await until(pilot, lambda: app.focused is app.screen.query_one(ConfusionMap))


async def test_the_map_is_walked_and_stays_aligned(first):
    evaluate("1", {"kind": "faces"}, None, None, silent)
    app = make_app("evaluate")
    async with app.run_test(size=(80, 24)) as pilot:
        app.evaluate_run(first.id)
        await until(pilot, lambda: getattr(app.screen, "loaded", None))
        await pilot.press("m", "f")
        walked = app.screen.query_one(ConfusionMap)
        scores = app.screen.loaded.scores
        ranked = [(confusion.truth, confusion.read) for confusion in scores.confusions]
        assert walked.cell == ranked[0]
        assert walked.scroll_offset == (0, 0), "it begins at its beginning"
        await pilot.press("n")
        assert walked.cell == ranked[min(1, len(ranked) - 1)]
        await pilot.press("p")
        assert walked.cell == ranked[0]
        await pilot.press("home", "pageup")
        corner = walked.cell
        assert walked.cursor == (0, 0)
        await pilot.press("left", "up")
        assert walked.cell == corner, "the cursor stays on the map"
        await pilot.press("down", "right")
        assert walked.cursor == (1, 1) and walked.cell[0] == walked.cell[1], "rows and columns have the same order"
        right = scores.per_character[walked.cell[0]]
        assert text_of(app, "#cell").startswith(
            f"{walked.cell[0]} read correctly: {round(right.images * right['strict'])} of {right.images}"
        )
        await pilot.press("end")
        assert walked.cursor[1] == len(walked.confusions.columns) - 1
        await pilot.click(ConfusionMap, offset=(9 + 3 * 2 + 1, 1 + 3))
        assert walked.cursor == (3, 2)
        for width in (80, 31, 12, 5):
            await pilot.resize_terminal(width, 24)
            lines = [walked.render_line(y) for y in range(walked.size.height)]
            assert all(line.cell_length == cell_len(line.text) == walked.size.width for line in lines)
        await pilot.resize_terminal(0, 0)
        await pilot.resize_terminal(80, 24)

        # At this width the images have a tab of their own.
        assert not app.screen.query_one("#images").display
        await pilot.press("n", "enter")
        await until(pilot, lambda: images_shown(app) > 0)
        assert app.focused is sheet(app) and not app.screen.query_one("#lists").display
        await pilot.press("escape")
        assert app.focused is walked

        # Leaving in the middle of an evaluation is no trouble.
        await suspended_engine(app, "evaluate")
        await pilot.press("e")
        await until(pilot, shows(app, "x Cancel"))


async def test_two_runs_side_by_side(first):
    evaluate("1", {"kind": "held_out"}, None, None, silent)
    app = make_app("evaluate")
    async with app.run_test(size=(120, 40)) as pilot:
        app.evaluate_run(first.id)
        await until(pilot, lambda: getattr(app.screen, "loaded", None))
        await pilot.press("v")
        await until(pilot, shows(app, "Choose a second run"))
        second = app.screen.query_one("#second", Select)
        second.value = first.id
        await until(pilot, shows(app, "That is the same run"))
        second.value = "002-quick"
        await until(pilot, shows(app, "has not been evaluated on these images yet"))
        second.focus()
        await pilot.press("b")
        await until(pilot, lambda: app.screen.compare_panel.comparison)
        await until(pilot, lambda: app.screen.compare_panel.table.has_focus)
        (other,) = made(find_run("2"))
        assert other.where == first.id
        comparison = app.screen.compare_panel.comparison
        whole = comparison.shares(folded=True)[""]
        await until(pilot, lambda: f"only A {whole.only_first:,} · only B" in text_of(app, "#difference"))
        table = rows(app, "#differences")
        assert table[0][:4] == ["all", *(f"{n:,}" for n in (whole.images, whole.only_first, whole.only_second))]
        differences = [abs(int(row[2]) - int(row[3])) for row in table[1:]]
        assert differences == sorted(differences, reverse=True) and len(table) == 1 + len(CHARACTERS)
        differing = comparison.differing(folded=True)
        assert differing, "the two models should differ, or there is nothing to compare"
        await until(pilot, lambda: images_shown(app) == min(60, len(differing)))
        assert sheet(app).captions[0][2:4] in ("A:", "B:") or sheet(app).captions[0][2] in "AB"
        await pilot.press("down", "enter", "escape", "up")
        assert app.screen.compare_panel.comparison is comparison
        app.screen.compare_panel.table.focus()
        await look_closer(app, pilot)
        assert f"A, {first.id}, reads" in screen_text(app) and "B, 002-quick, reads" in screen_text(app)


async def test_folders_cancelling_deleting_and_finding_evaluations_again(first, labelled):
    old = evaluate("1", {"kind": "folder", "path": str(labelled)}, None, None, silent)
    app = make_app("evaluate")
    async with app.run_test(size=(80, 24)) as pilot:
        app.evaluate_run(first.id)
        await until(pilot, lambda: getattr(app.screen, "loaded", None))
        assert app.screen.loaded.evaluation == old, "the newest earlier evaluation is open at once"
        await until(pilot, shows(app, "5 pictures in labelled"))

        # A folder that is not named, that is wrong, and a number that is none.
        app.screen.query_one("#source", Select).value = "folder"
        path = app.screen.query_one("#path", Input)
        await until(pilot, lambda: path.display)
        await pilot.press("e")
        await until(pilot, tells(app, "enter a folder first"))
        path.value = str(labelled / "い")
        await pilot.press("e")
        await until(pilot, tells(app, "no labelled pictures"))
        path.focus()
        path.value = str(labelled)[:-2]
        path.cursor_position = len(path.value)
        await until(pilot, lambda: app.simulate_key("right") or path.value == f"{labelled}/")
        app.screen.set_focus(None)
        app.screen.query_one("#limit", Input).value = "0"
        await pilot.press("e")
        await until(pilot, tells(app, "must be a whole number from 1"))
        assert len(made(first)) == 1

        # Cancelled: nothing is kept, and the next one works.
        app.screen.query_one("#limit", Input).value = "3"
        app.screen.query_one("#candidates", Input).value = "いシ"
        engine = await suspended_engine(app, "evaluate")
        await pilot.press("e")
        await until(pilot, shows(app, "x Cancel"))
        app.screen.query_one(ProgressLine).advance(1_014, 11_999, "drawing the faces")
        await until(pilot, shows(app, " left · x cancels"))
        await pilot.press("x")
        await until(pilot, lambda: "x Cancel" not in screen_text(app))
        engine.resume()
        assert not app.screen.busy and not app.screen.query_one(ProgressLine).display
        path.focus()
        await until(pilot, shows(app, "esc Leave the field"))
        await pilot.press("escape")
        await until(pilot, lambda: app.focused is app.screen.query_one(CharacterTable))
        path.focus()
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.loaded.evaluation != old)
        new = app.screen.loaded.evaluation
        assert (new.total.images, new.candidates, new.limit) == (3, "いシ", 3)
        assert len(made(first)) == 2, "the one that was cancelled left nothing"
        await until(pilot, shows(app, "2 of characters outside the candidates"))

        # Another one is shown by choosing it; what is deleted gives way to what is left.
        app.screen.query_one("#evaluation", Select).value = str(old.path)
        await until(pilot, lambda: app.screen.loaded.evaluation == old)
        app.screen.query_one(CharacterTable).focus()
        for left in (1, 0):
            app.screen.action_delete()
            await until(pilot, shows(app, "Delete the evaluation"))
            await pilot.press("d")
            await until(pilot, lambda left=left: len(made(first)) == left)
        await until(pilot, shows(app, "has not been evaluated yet"))


async def test_a_damaged_evaluation_is_a_message(first):
    evaluation = evaluate("1", {"kind": "held_out"}, None, 12, silent)
    evaluation.path.with_suffix(".npz").write_bytes(b"nonsense")
    app = make_app("evaluate")
    async with app.run_test(size=(100, 30)) as pilot:
        app.evaluate_run(first.id)
        await until(pilot, tells(app, "evaluate again"))
        app.evaluate_run("009-none")
        await until(pilot, tells(app, "run 009-none has no weights yet"))


async def test_sorting_reliability_samples_and_figures(first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate("1", {"kind": "held_out"}, None, None, silent)
    app = make_app("evaluate")
    async with app.run_test(size=(120, 40)) as pilot:
        app.evaluate_run(first.id)
        await until(pilot, lambda: getattr(app.screen, "loaded", None))
        scores, predictions = app.screen.loaded.scores, app.screen.loaded.predictions
        table = app.screen.query_one(CharacterTable)
        await pilot.press("c")

        def characters():
            return [row[0][0] for row in rows(app, "#character-table")][1:]

        # By each column in turn, in reverse, and by a click on a heading; the cursor stays on its character.
        await pilot.press("down")
        worst = table.character
        await pilot.press("left", "left")  # from folded by strict to images
        images = [scores.per_character[character].images for character in characters()]
        assert images == sorted(images) and table.character == worst
        await pilot.press("o")
        assert [scores.per_character[character].images for character in characters()] == images[::-1]
        await pilot.press("left", "o")
        assert characters() == list(scores.per_character)
        await pilot.press("y")
        assert app.clipboard.splitlines()[1].startswith("all\t")

        # All images of a character: its wrong ones first.
        await pilot.press("a")
        count = scores.per_character[worst].images
        await until(pilot, shows(app, f": {count:,} images"))
        of = predictions.of(worst)
        right = predictions.right(folded=False)[of].tolist()
        assert len(of) == count and right == sorted(right)
        await pilot.press("a")

        # The reliability diagram, and the misread images of a bin; how one was made.
        await pilot.press("r")
        assert app.focused.id == "bins"
        bins = [each for each in scores.reliability if each.images]
        shown = rows(app, "#bins")
        assert [row[1].strip() for row in shown] == [f"{each.images:,}" for each in bins[::-1]]
        misread = [each for each in bins[::-1] if round(each.images * each.accuracy) < each.images]
        assert misread, "the model should not be perfect, or there is nothing to look at"
        await pilot.press(*["down"] * bins[::-1].index(misread[0]))
        wrong = misread[0].images - round(misread[0].images * misread[0].accuracy)
        await until(pilot, shows(app, f"{wrong:,} of {misread[0].images:,} misread"))
        await until(pilot, lambda: images_shown(app) == wrong)
        await look_closer(app, pilot)
        assert "face noto-sans-cjk-jp" in screen_text(app), "how it was made is said"
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ImageZoom))
        app.screen.query_one("#bins").focus()
        await pilot.press("F")
        await until(pilot, shows(app, "Save the reliability as"))
        await pilot.press("enter")
        await until(pilot, tells(app, f"{first.id}-reliability.png"))
        assert (tmp_path / f"{first.id}-reliability.png").read_bytes().startswith(b"\x89PNG")

        # From a character to the samples of it that the user drew.
        await pilot.press("c", "s")
        await until(pilot, lambda: app.current_mode == "draw")
        await until(pilot, tells(app, f"no samples of {worst} yet"))
