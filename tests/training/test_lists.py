"""What lists tell of runs and models: the same to people, to programs and in the app."""

import dataclasses
import json

from kanatui.core.units import percent
from kanatui.model import shipped
from kanatui.training import columns
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
    both = [(run, run.status()) for run in (first, second)]
    told = columns.plain(*both[0])
    assert told.keys() == {"id", "title", "note", "path"} | {field.name for field in dataclasses.fields(Status)}
    assert json.loads(json.dumps(told))["best"] == BEST
    headings, rows = columns.table(both)
    assert headings == ["run", "state", "done", "strict", "folded", "trained", "age", "title"]
    assert rows[0][:5] == ["001-one", "finished", "100 %", percent(0.9), percent(0.95)] and rows[0][-1] == ""
    assert rows[1][3:5] == ["", ""] and rows[1][-1] == "mine"
    assert columns.table(both[:1])[0][-1] == "age"
    assert [columns.app_texts(*each) for each in both] == [(f"{percent(0.9)} / {percent(0.95)}",), ()]


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
