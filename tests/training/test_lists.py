"""What lists tell of runs and models: the same to people, to programs and in the app."""

import dataclasses
import json

from kanatui.core.units import percent
from kanatui.model import shipped
from kanatui.training import columns
from kanatui.training.columns import Facts
from kanatui.training.models import list_models
from kanatui.training.runs import Run, Status
from kanatui.tui.models import models_for_drawing, models_to_evaluate

BEST = {"step": 9, "strict": 0.9, "folded": 0.95}


def make_run(name, weights=True, **status):
    run = Run.create(name, {})
    (run.path / "status.json").write_text(json.dumps({"state": "finished", **status}))
    if weights:
        run.checkpoint("best").parent.mkdir()
        run.checkpoint("best").touch()
    return run


def test_people_and_programs_are_told_of_every_run():
    first, second = make_run("one", best=BEST, progress=1.0, elapsed=61.0), make_run("two", state="stopped")
    second.rename("mine")
    both = [Facts.of(run) for run in (first, second)]
    told = columns.plain(both[0])
    about = {"id", "title", "note", "path", "created", "recipe", "model", "images", "pictures", "device"}
    assert told.keys() == about | {field.name for field in dataclasses.fields(Status)}
    assert json.loads(json.dumps(told))["best"] == BEST
    headings, rows = columns.table(both)
    assert headings == ["run", "state", "strict", "folded", "time", "age", "title"]
    assert rows[0][:5] == ["001-one", "finished", percent(0.9), percent(0.95), "1:01"] and rows[0][-1] == ""
    assert rows[1][1:4] == ["stopped 0 %", "", ""] and rows[1][-1] == "mine"
    assert columns.table(both[:1])[0][-1] == "age"
    assert columns.table(both, room=15)[0] == ["run", "folded"]


def test_a_damaged_run_is_told_of_with_its_reason():
    run = make_run("one", best=BEST)
    (run.path / "config.toml").write_bytes(b"x = [")
    facts = Facts.of(run)
    assert facts.status.state == "damaged" and str(run.path / "config.toml") in facts.status.reason
    assert columns.table([facts])[1][0][:2] == ["001-one", "damaged"]


def test_an_adapted_run_says_what_its_scores_are_of():
    run = make_run("one", best=BEST)
    run.configure({"adapt": {"held_back": 17}, "train": {"batch_size": 100}})
    facts = Facts.of(run)
    assert facts.scored_on == "17 own samples" and facts.images is None


def test_models_are_listed_once_and_ordered_by_who_shows_them():
    shipped.DEFAULT_FILE.touch()
    make_run("one", best=BEST)
    make_run("two", state="stopped").rename("mine")
    make_run("none", weights=False)
    found = list_models()
    assert [model.reference for model in found] == ["default", "002-two", "001-one"]
    assert [model.title for model in found] == ["default, ships with kanatui", "002 mine", "001-one"]
    assert [model.finished for model in found] == [True, False, True]
    assert [model.scores for model in found] == [{}, {}, {"strict": 0.9, "folded": 0.95}]
    assert [reference for _, reference in models_for_drawing()] == ["default", "001-one", "002-two"]
    assert [reference for _, reference in models_to_evaluate()] == ["002-two", "001-one", "default"]
    assert f"001-one · {percent(0.95)}" in dict(models_for_drawing())
    assert f"001-one · 90.0 / {percent(0.95)}" in dict(models_to_evaluate())
