"""Following a run by its events: curves in bounded memory, bites, continued runs, torn lines."""

import json
import math
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from textual.app import App

from kanatui.training.event_text import describe, preparing, time_left
from kanatui.training.runs import Run
from kanatui.tui.train import follow
from kanatui.tui.train.follow import Follower, History
from kanatui.tui.train.logs import EventLog
from kanatui.tui.train.series import _MOST_BUCKETS, Series
from tests.helpers.app import screen_text

RECORDED = Path(__file__).parent.parent / "data" / "continued.jsonl"


def step_event(step, loss=1.0, **more):
    return {"time": 0.0, "event": "step", "step": step, "epoch": 0, "progress": 0.5, "loss": loss, "rate": 0.01, **more}


@pytest.fixture
def recorded(tmp_path):
    """A real run: augmentations changed, paused, killed, continued from a checkpoint, stopped; its last line torn."""
    folder = tmp_path / "016-recorded"
    folder.mkdir()
    shutil.copy(RECORDED, folder / "events.jsonl")
    return Run(folder)


async def caught_up(run):
    follower = Follower(run)
    while await follower.advance():
        pass
    return follower


# ── curves ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_million_points_stay_bounded_and_keep_their_spike():
    series = Series()
    for x in range(1_000_000):
        series.add(x, 50.0 if x == 765_432 else math.sin(x / 1e5))
    assert len(series) <= _MOST_BUCKETS
    xs, ys = series.drawn()
    assert len(xs) <= 200
    assert (765_432, 50.0) in zip(xs, ys, strict=True)
    assert min(ys) == pytest.approx(-1.0, abs=1e-4)
    assert xs == sorted(xs)
    assert len(series.smooth()[0]) <= 200


def test_few_points_are_drawn_as_they_are():
    series = Series()
    for x in range(150):
        series.add(x, float(x % 7))
    assert series.drawn() == (list(range(150)), [float(x % 7) for x in range(150)])


def test_a_zoom_finds_more_points():
    series = Series()
    for x in range(100_000):
        series.add(x, float(x))
    xs, _ = series.drawn(50_000, 60_000)
    assert len(xs) > 100
    assert xs[0] <= 50_000 and xs[-1] >= 60_000, "lines run out of the picture at both ends"
    assert xs[0] > 49_000 and xs[-1] < 61_000


@example(values=[float(x) for x in range(11)], most=5)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(4, 50))
def test_decimation_keeps_extremes_and_order(values, most):
    series = Series()
    for x, y in enumerate(values):
        series.add(x, y)
    xs, ys = series.drawn(most=most)
    assert len(xs) <= most
    assert min(ys) == min(values) and max(ys) == max(values)
    assert all(values[x] == y for x, y in zip(xs, ys, strict=True))
    assert xs == sorted(xs)


def test_what_is_not_finite_is_left_out():
    series = Series()
    for y in (1.0, math.nan, math.inf, 2.0):
        series.add(len(series), y)
    assert series.drawn()[1] == [1.0, 2.0]


def test_cut_forgets_what_came_later():
    series = Series()
    for x in range(10):
        series.add(x, float(x))
    series.cut(6)
    series.add(7, -1.0)
    assert series.drawn() == ([0, 1, 2, 3, 4, 5, 6, 7], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -1.0])


def test_cut_of_joined_points_ends_there():
    series = Series()
    for x in range(20_000):
        series.add(x, float(x))
    series.cut(9_999)
    assert max(series.drawn()[0]) <= 9_999


def test_smoothing_lies_between_and_settles():
    series = Series()
    for x in range(2000):
        series.add(x, 1.0 + (0.5 if x % 2 else -0.5))
    _, ys = series.smooth()
    assert all(0.5 <= y <= 1.5 for y in ys)
    assert ys[-1] == pytest.approx(1.0, abs=0.05)


# ── what events add up to ───────────────────────────────────────────────────────────────────────────────────────────


async def test_recorded_run(recorded):
    history = (await caught_up(recorded)).history
    assert history.step["step"] == 277
    assert history.start["step"] == 180
    assert history.end["state"] == "stopped"
    assert history.preparing == {}
    assert [(mark.kind, mark.step) for mark in history.marks] == [("augment", 155), ("paused", 155), ("resumed", 155)]
    assert history.augment["step"] == 181, "said again when it was continued, and not marked twice"
    assert history.scores == {"strict": 1.0, "folded": 1.0, "step": 225.0} == history.best
    assert any("stopped as asked" in line for line in history.lines)
    assert not any("unreadable" in line for line in history.lines)


async def test_a_continued_run_takes_back_what_it_repeats(recorded):
    events = [json.loads(line) for line in RECORDED.read_text().splitlines()[:-1]]
    starts = [index for index, event in enumerate(events) if event["event"] == "start"]
    before = History()
    before.add(events[: starts[1]])
    lost = before.step["step"]
    assert lost > 180, "the recording has steps that the crash lost"
    before.add(events[starts[1] : starts[1] + 1])
    xs, _ = before.curves["loss"].drawn()
    assert max(xs) <= 180
    assert before.step == {} and before.end == {}
    history = (await caught_up(recorded)).history
    steps, _ = history.curves["loss"].drawn()
    assert steps == sorted(set(steps)), "no step twice"


async def test_a_torn_line_is_read_once_it_is_whole(recorded):
    follower = await caught_up(recorded)
    assert follower.history.step["step"] == 277
    with open(recorded.path / "events.jsonl", "a") as file:
        file.write('9,"epoch":6,"loss":0.5,"progress":1.0,"rate":0.1,"images_per_second":9.0}\n')
    assert await follower.advance()
    assert follower.history.step["step"] == 279
    assert not await follower.advance()


def test_events_that_make_no_sense_are_passed_over():
    history = History()
    history.add(
        [
            {"event": "step"},
            {"event": "step", "step": "x", "loss": 1},
            {"event": "validation", "step": 1},
            {"event": "command"},
            {"event": "augment", "step": None, "augments": 7},
            {"event": "start", "step": 0},
            {"event": "of a later version", "anything": [1]},
            step_event(3, 0.5),
        ]
    )
    assert history.step["step"] == 3
    assert history.curves["loss"].drawn() == ([3], [0.5])


def test_answers_are_found_by_sequence_and_do_not_pile_up():
    history = History()
    history.add(
        [{"event": "command", "sequence": n, "command": "pause", "accepted": True, "note": ""} for n in range(99)]
    )
    assert len(history.answers) == 50
    assert history.answers[98]["accepted"]


async def test_a_long_run_is_taken_in_small_bites(tmp_path):
    run = Run(tmp_path / "001-long")
    run.path.mkdir()
    with open(run.path / "events.jsonl", "w") as file:
        file.writelines(json.dumps(step_event(n, 1.0 / (n + 1), images_per_second=900.0)) + "\n" for n in range(20_000))
    follower = Follower(run)
    most, shares, before = 0, [], 0
    while await follower.advance():
        most = max(most, follower.history.events - before)
        before = follower.history.events
        shares.append(follower.share)
    assert follower.history.events == 20_000
    assert most * 90 <= follow.BITE, "no bite is longer than the loop may wait"
    assert shares == sorted(shares) and shares[0] < 0.1 and shares[-1] == 1.0


async def test_a_run_without_events_is_no_error(tmp_path):
    follower = Follower(Run(tmp_path / "001-nothing"))
    assert follower.share == 1.0
    assert not await follower.advance()


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"event": "paused", "step": 1234}, "paused at step 1,234"),
        ({"event": "augment", "step": 7, "augments": []}, "new augmentations from step 7"),
        ({"event": "command", "command": "pause", "accepted": False, "note": "why"}, "pause refused: why"),
        ({"event": "end", "state": "failed", "reason": "the disk is full"}, "failed: the disk is full"),
        (
            {"event": "validation", "step": 12345, "best": True, "held_out": {"strict": 1.0, "folded": 0.5}},
            "step 12,345: held-out images: strict 100.0 %, folded 50.0 % · best",
        ),
        ({"event": "validation"}, ""),
        ({"event": "probe", "seconds": 3}, ""),
    ],
)
def test_events_in_words(event, words):
    assert describe(event) == words


def test_no_time_is_left_standing_at_zero():
    assert time_left(90.0) == "1 min 30 s left"
    assert time_left(0.2) == "finishing"
    assert time_left(0.0, "validating") == "validating"
    assert time_left(None) == ""


def test_stages_before_the_first_step_are_named_and_counted_where_they_can_be():
    assert preparing({"done": 3, "total": 71, "stage": "drawing the glyphs"}) == "drawing the glyphs 3/71"
    assert preparing({"done": 0, "total": 0, "stage": "timing number formats"}) == "timing number formats …"
    assert preparing({"done": 1, "total": 2}) == "preparing 1/2"  # of an earlier version


async def test_what_is_too_long_for_a_line_goes_on_beside_the_times():
    class Telling(App):
        def compose(self):
            yield EventLog()

    history = History()
    history.lines.append(f"12:34:56  step 7: {'held-out faces ' * 6}")
    history.written = 1
    app = Telling()
    async with app.run_test(size=(60, 10)) as pilot:
        app.query_one(EventLog).show(history)
        await pilot.pause()
        first, second = screen_text(app).splitlines()[:2]
    assert first.rstrip().endswith("held-out")
    assert second.startswith(f"{' ' * 10}faces held-out")
