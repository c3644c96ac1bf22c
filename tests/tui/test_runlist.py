"""The table of runs: its columns, order, words, marks and settings, in the app and on the command line."""

import json

import pytest
from textual import events

from kanatui.core import paths
from kanatui.tui.settings import Settings
from kanatui.tui.train.picker import ColumnPicker
from kanatui.tui.train.rows import Gatherer
from kanatui.tui.train.settings import SettingsTable
from tests.helpers.app import make_app, screen_text, shows, until
from tests.helpers.train_screen import crashed_run, make_run, opened

START = {"event": "start", "step": 0, "device": "cpu, 2 threads", "precision": "float32", "processes": 1, "weights": 9}


def scored(name, folded, **config):
    run = make_run(name, best={"step": 9, "strict": 0.5, "folded": folded}, events=[START], step=100, elapsed=75.0)
    run.configure({"train": {"model": "compact_cnn", "batch_size": 128}, **config})
    return run


def evaluated(run, folded, images, name="omniglot"):
    """A run whose model has read pictures."""
    total = {"images": images, "strict": 0.4, "folded": folded}
    about = {
        "model": "", "run": run.id, "step": 9, "characters": "あ", "image_size": 32, "kind": "folder",
        "where": f"/elsewhere/{name}", "data": "", "faces": [], "made": "2026-01-02T03:04:05+00:00",
        "total": total, "by_script": {}, "format": 2,
    }  # fmt: skip
    folder = run.path / "evaluations"
    folder.mkdir(exist_ok=True)
    (folder / "20260102-030405-folder.json").write_text(json.dumps(about))


def names(app):
    return [line.cells[1] for line in app.screen.runs.table.lines]


def headings(app):
    return [heading.title.rstrip("▾▴") for heading in app.screen.runs.table.headings[1:]]


def type_at_once(app, text):
    """Send keys in one burst, as a slow link delivers them: none waits until the one before has been handled."""
    keys = {"/": "slash", "\r": "enter"}
    for letter in text:
        app.post_message(events.Key(keys.get(letter, letter), letter if letter.isprintable() else None))


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((80, 24), ["run", "state", "recipe", "model", "strict", "folded", "real", "time"]),
        (
            (120, 40),
            ["run", "state", "recipe", "model", "images", "strict", "folded", "real", "time", "device", "note"],
        ),
        (
            (200, 60),
            ["run", "state", "recipe", "model", "images", "strict", "folded", "real", "time", "device", "age", "note"],
        ),
    ],
    ids=["80x24", "120x40", "200x60"],
)
async def test_as_many_columns_as_fit(size, shown):
    run = scored("good", 0.95)
    evaluated(run, 0.875, 940)
    run.annotate("try blur\nand more")
    scored("plain", 0.9)
    async with opened(size=size) as (app, pilot):
        await until(pilot, lambda: names(app) == ["2 plain", "1 good"])
        assert headings(app) == shown
        assert not app.screen.runs.table.max_scroll_x
        await pilot.press("down")
        await until(pilot, shows(app, "real: 87.5 % folded, 40.0 % strict of 940 pictures in omniglot, 2026-01-02"))
        text = screen_text(app)
        assert "95.0 %" in text and "87.5 %" in text and "1:15" in text
        assert "note: try blur (and 1 line more)" in text
        await pilot.press("y")
        assert [row.split("\t")[1] for row in app.clipboard.splitlines()][1:] == ["2 plain", "1 good"]


async def test_sorted_by_key_and_by_heading():
    for name, folded in (("one", 0.9), ("two", 0.99), ("three", 0.95)):
        scored(name, folded)
    make_run("unscored")
    async with opened() as (app, pilot):
        await until(pilot, lambda: len(names(app)) == 4)
        table = app.screen.runs.table
        while next(heading for heading in table.headings if heading.chosen).key != "folded":
            await pilot.press("right")
        await until(pilot, lambda: names(app) == ["2 two", "3 three", "1 one", "4 unscored"])
        assert app.screen.runs.current.title == "unscored", "the cursor stays on the run"
        await pilot.press("r")
        await until(pilot, lambda: names(app) == ["1 one", "3 three", "2 two", "4 unscored"])
        left = sum(heading.width + heading.gap for heading in table.headings[:2])
        await pilot.click("#run-table", offset=(left + 2, 0))
        await until(pilot, lambda: next(heading for heading in table.headings if heading.chosen).title == "state▴")


async def test_words_narrow_at_once():
    for name in ("quick", "stop-here", "delete-me"):
        scored(name, 0.9)
    async with opened() as (app, pilot):
        await until(pilot, lambda: len(names(app)) == 3)
        type_at_once(app, "/sto\r")
        await until(pilot, lambda: names(app) == ["2 stop-here"])
        assert "1 of 3" in screen_text(app) and app.screen.runs.table.has_focus
        assert len(app.screen_stack) == 1, "no letter was a key of the screen"
        await pilot.press("slash", "x")
        await until(pilot, shows(app, "No run has all of these words: stox"))
        await pilot.press("escape")
        await until(pilot, lambda: len(names(app)) == 3 and app.screen.runs.table.has_focus)
        assert not app.screen.runs.filter_line.display
        type_at_once(app, "/cnn 3 fin\r")
        await until(pilot, lambda: names(app) == ["3 delete-me"])
        await pilot.press("escape")
        await until(pilot, lambda: len(names(app)) == 3)


async def test_columns_are_chosen_and_remembered():
    scored("one", 0.9)
    async with opened() as (app, pilot):
        await until(pilot, lambda: "model" in headings(app))
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, ColumnPicker))
        await pilot.press("down", "down", "space", "enter")
        await until(pilot, lambda: not isinstance(app.screen, ColumnPicker) and "model" not in headings(app))
    assert "model" not in Settings.load().run_columns and "folded" in Settings.load().run_columns


async def test_settings_of_marked_runs_differ():
    scored("one", 0.9, model={"width": 32}, source={"recipe": {"faces": ["klee", "yomogi"], "image_size": 48}})
    scored("two", 0.95, source={"recipe": {"faces": ["klee"], "image_size": 48}})
    async with opened(size=(80, 24)) as (app, pilot):
        await until(pilot, lambda: len(names(app)) == 2)
        await pilot.press("x")
        await until(pilot, shows(app, "compact_cnn"))
        await pilot.press("space", "down", "space")
        table = app.screen.query_one(SettingsTable)
        await until(pilot, lambda: len(table.headings) == 3)
        lines = {line.key: line.cells[1:] for line in table.lines}
        assert lines["folded"] == ("95.0 %", "90.0 %") and lines["model.width"] == ("–", "32")
        assert lines["recipe.faces"] == ("klee", "klee, yomogi")
        assert "recipe.image_size" not in lines and "train.model" not in lines
        await pilot.press("w")
        await until(pilot, lambda: any(line.key == "recipe.image_size" for line in table.lines))
        await pilot.press("x", "x")
        await until(pilot, lambda: not table.is_on_screen)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.toml", b"x = ["),
        ("config.toml", b"\xff\xfe"),
        ("status.json", b'{"state": "finished", "progress": "all"}'),
        ("status.json", b'{"state": "finished", "best": [1]}'),
        ("status.json", b"\0\0\0"),
        ("about.toml", b"note = 3"),
        ("events.jsonl", b'{"event": "start", "device": {}}\n{"event":"validation","step":{}}\n'),
        ("evaluations/20260102-030405-folder.json", b"{}"),
    ],
)
async def test_a_damaged_run_leaves_the_others(file, text):
    good, bad = scored("good", 0.95), scored("bad", 0.9)
    (bad.path / file).parent.mkdir(exist_ok=True)
    (bad.path / file).write_bytes(text)
    async with opened() as (app, pilot):
        await until(pilot, lambda: names(app) == ["2 bad", "1 good"])
        row = app.screen.runs.row(bad.id)
        if file in ("config.toml", "status.json"):
            assert row.state == "damaged"
            await until(pilot, shows(app, f"? damaged: {bad.path / file}"[:90]))
        assert app.screen.runs.row(good.id).state == "finished"


def test_reading_stops_at_what_cannot_be_listed(home):
    scored("good", 0.95)
    (paths.runs() / "by-hand").mkdir()
    crashed_run()
    rows = Gatherer().look()
    assert [(row.run.id, row.state) for row in rows][:2] == [("002-crashed", "crashed"), ("001-good", "finished")]


async def test_500_runs():
    config = b'recipe = "many"\n[train]\nmodel = "compact_cnn"\nbatch_size = 64\n'
    for number in range(1, 501):
        folder = paths.runs() / f"{number:03d}-run{number % 7}"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_bytes(config)
        best = {"step": number, "strict": 0.5, "folded": number / 1000}
        (folder / "status.json").write_text(json.dumps({"state": "finished", "step": number, "best": best}))
    async with opened(shown=False) as (app, pilot):
        await until(pilot, lambda: len(names(app)) == 500)
        assert names(app)[0] == "500 run3"
        type_at_once(app, "/run3 49\r")
        await until(pilot, lambda: 0 < len(names(app)) < 20)
        assert all("49" in name and "run3" in name for name in names(app))
        await pilot.press("escape", "end")
        await until(pilot, lambda: app.screen.runs.current.run.number == 1)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_snapshot(snap_compare, size):
    for name, folded in (("first", 0.9), ("second", 0.95)):
        run = scored(name, folded)
        evaluated(run, folded - 0.1, 940)
    make_run("broken", "failed", reason="the loss is no longer a number")
    app = make_app(mode="train")

    async def ready(pilot):
        await until(pilot, lambda: app.screen.query("#run-table") and len(names(app)) == 3)
        app.settings.run_columns = ("standing", "model", "images", "strict", "folded", "real", "elapsed")
        await pilot.press("down", "space", "down", "space", "slash", *"first")
        await until(pilot, shows(app, "1 of 3"))
        await pilot.press("escape")
        await until(pilot, lambda: len(names(app)) == 3)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)
