"""What differs between the configurations of runs."""

import json

from kanatui.training.columns import Facts
from kanatui.training.difference import NOT_SET, compare, different
from kanatui.training.runs import Run

FACES = [f"face-{number}-regular" for number in range(40)]


def facts(name, **config):
    run = Run.create(name, config)
    (run.path / "status.json").write_text(json.dumps({"state": "finished", "elapsed": 75.0}))
    return Facts.of(run)


def recipe(**changes):
    step = {"plugin": "rotate", "degrees": [-12.0, 12.0]}
    return {
        "source": {"recipe": {"characters": "あい", "faces": FACES, "image_size": 64, "augment": [step], **changes}}
    }


def settings(*runs):
    return {setting.name: setting.texts for setting in different(compare(runs)) if not setting.result}


def test_only_what_differs():
    one = facts("one", recipe="quick", train={"batch_size": 64, "seed": 0}, **recipe())
    two = facts("two", recipe="quick", train={"batch_size": 128, "seed": 0}, model={"width": 32}, **recipe())
    assert settings(one, two) == {"train.batch_size": ("64", "128"), "model.width": (NOT_SET, "32")}
    assert "train.seed" in [setting.name for setting in compare([one, two])]
    assert [setting.name for setting in different(compare([one, two])) if setting.result] == ["state", "time"]


def test_long_lists_show_what_they_do_not_share():
    one, two = facts("one", **recipe()), facts("two", **recipe(faces=[*FACES[1:], "klee"], characters="U+3042-U+3046"))
    told = settings(one, two)
    assert told["recipe.faces"] == ("40 faces, among them face-0-regular", "40 faces, among them klee")
    assert told["recipe.characters"] == ("あい", "あぃいぅう")
    assert {s.name: s.texts for s in compare([one])}["recipe.faces"] == ("40 faces",)


def test_augmentations_by_name():
    noise = [{"plugin": "noise", "p": 0.5}, {"plugin": "rotate", "degrees": [-12.0, 12.0]}, {"plugin": "noise"}]
    told = settings(facts("one", **recipe()), facts("two", **recipe(augment=noise)))
    assert told == {"recipe.augment": ("rotate", "noise, rotate, noise"), "augment.noise.p": (NOT_SET, "0.5")}


def test_a_configuration_that_makes_no_sense():
    assert settings(facts("one"), facts("two", source="?", train=3, adapt=[])) == {
        "train": (NOT_SET, "3"),
        "adapt": (NOT_SET, "none"),
    }
