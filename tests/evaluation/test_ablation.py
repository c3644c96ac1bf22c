"""The command ablate, with trainings of a second."""

import json

import pytest
from PIL import Image

from kanatui import cli
from kanatui.core import paths
from kanatui.evaluation import ablation
from kanatui.training.runs import Run

SMALL = [
    *("ablate", "quick", "--characters", "あいう", "--faces", "klee-regular", "--image-size", "16", "-n", "40"),
    *("--model", "article_cnn", "--epochs", "1", "--batch-size", "16", "--threads", "1", "--precision", "float32"),
    *("--validations", "1", "--seeds", "2"),
]


@pytest.fixture
def type_in(capfd):
    """Carry out a command line and return its exit status, standard output and standard error."""

    def run(*arguments):
        capfd.readouterr()
        status = cli.run([str(argument) for argument in arguments])
        return (status, *capfd.readouterr())

    return run


def runs():
    return sorted((paths.home() / "ablations").iterdir())


def test_variants_are_compared_and_no_run_is_made_twice(type_in, tmp_path):
    pictures = tmp_path / "pictures"
    for label in "あい":
        (pictures / label).mkdir(parents=True)
        picture = Image.new("L", (32, 32), 255)
        picture.paste(0, (4, 8, 28, 14) if label == "あ" else (8, 4, 14, 28))
        picture.save(pictures / label / "1.png")
    arguments = [*SMALL, "--images", pictures, "--variant", "still: --without rotate --learning-rate 0.001", "--json"]
    status, out, err = type_in(*arguments)
    assert status == 0, err
    base, still = json.loads(out)
    assert (base["variant"], still["variant"]) == (ablation.BASE, "still")
    assert "rotate" in str(base["recipe"]["augment"])
    assert "rotate" not in str(still["recipe"]["augment"])
    assert (base["train"]["learning_rate"], still["train"]["learning_rate"]) == (0.012, 0.001)
    assert [run["seed"] for run in still["runs"]] == [0, 1]
    for run in (*base["runs"], *still["runs"]):
        assert set(run["scores"]) == set(ablation.columns(pictures))
        assert run["rate"] > 0
    made = {folder.name: (folder / "events.jsonl").stat().st_mtime_ns for folder in runs()}
    assert len(made) == 4
    status, again, err = type_in(*arguments)
    assert status == 0, err
    assert json.loads(again) == [base, still]
    assert {folder.name: (folder / "events.jsonl").stat().st_mtime_ns for folder in runs()} == made


def test_the_table_leaves_each_augmentation_out(type_in):
    status, out, err = type_in(*SMALL, "--each", "--seeds", "1", "--without", "shift", "--without", "elastic")
    assert status == 0, err
    rows = [line for line in out.splitlines() if line.startswith((ablation.BASE, "without"))]
    assert [row.split("  ")[0] for row in rows] == [
        ablation.BASE, "without size", "without rotate", "without stroke_width",
    ]  # fmt: skip
    assert "held out, folded" in out


def test_a_run_that_was_cut_off_goes_on(type_in):
    variant = "more: --epochs 2"
    assert type_in(*SMALL, "--seeds", "1", "--variant", variant)[0] == 0
    finished = {folder.name for folder in runs()}
    for folder in runs():
        # As if the machine had gone down after the last checkpoint.
        (folder / "status.json").unlink()
    status, _, err = type_in(*SMALL, "--seeds", "1", "--variant", variant)
    assert status == 0, err
    assert {folder.name for folder in runs()} == finished
    assert all(Run(folder).status().state == "finished" for folder in runs())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--variant", "x"], "--variant 'x': not of the form 'NAME: OPTIONS'"),
        (["--variant", "x:"], "--variant 'x:': not of the form"),
        (["--variant", "x: --without fog"], "--variant x: --without: the recipe has no augmentation 'fog'"),
        (["--variant", "x: --wihtout noise"], "--variant x: No such option"),
        (["--variant", "x: --set 'a"], "--variant x: No closing quotation"),
        (["--variant", "x: --epochs 2", "--variant", "x: --epochs 3"], "--variant x: the name is used twice"),
        (["--recipe", "quick"], "give the recipe once"),
    ],
)
def test_mistakes_are_one_line_and_start_nothing(type_in, arguments, words):
    status, _, err = type_in(*SMALL, *arguments)
    assert status == 2
    assert words in err.strip().splitlines()[-1]
    assert not (paths.home() / "ablations").exists()


def test_spread_is_the_standard_deviation_of_the_seeds():
    assert ablation.spread([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))
    assert ablation.spread([5.0]) == (5.0, 0.0)
