"""Nothing that a key can break: random keys on every screen and dialog, and random bytes on a real terminal.

A failure names its seed and the last keys. KANATUI_MONKEY=SEED has every test here play that game again.
"""

import os
import time

import pytest

from kanatui.cli.bench.terminal import Terminal
from kanatui.dataset import generation
from kanatui.dataset.recipe import find_recipe
from kanatui.training.control import STOP, Mailbox
from kanatui.training.runs import list_runs
from kanatui.tui.activity import stop_everything
from tests.helpers.app import keep_small_draft
from tests.helpers.monkey import Monkey, play
from tests.helpers.processes import LONGEST, wait_until
from tests.helpers.train_screen import crashed_run, make_run, recorded_run, training

SIZES = [(80, 24), (120, 40), (20, 5)]
SEED = int(os.environ.get("KANATUI_MONKEY", "13"))
MOST_AT_WORK = 1
"""Trainings that the monkey started; beside more of them it would take hours."""


@pytest.fixture
def work_under_way(tiny, model, tmp_path, monkeypatch):
    """Runs of every kind, a training, a generation; and a folder where what the monkey exports does no harm."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    recorded_run()
    crashed_run()
    make_run("other")
    many = find_recipe("tiny").but(images_per_character=100_000)
    generating = generation.generate(many, "many", workers=1)
    with training() as run:
        yield run
    stop_everything()
    generating.wait(LONGEST)


def keep_few_at_work(app):
    """Stop the trainings that the monkey has started."""
    alive = [run for run in list_runs() if run.name != "live" and run.alive()]
    for run in alive[MOST_AT_WORK:]:
        Mailbox(run.control).send(STOP)


async def sees(seed, size, count):
    return await play(seed, size, count, keep_few_at_work)


@pytest.mark.parametrize("size", [SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.slow), SIZES[2]])
async def test_no_keys_crash_the_app(work_under_way, size):
    assert await sees(SEED, size, 500)  # where they lead depends on how fast the app follows


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
@pytest.mark.parametrize("size", SIZES)
async def test_twenty_thousand_keys_crash_nothing_and_lead_everywhere(work_under_way, size, seed):
    seen = {name for name, *_ in await sees(seed, size, 1_700)}
    assert {"DatasetScreen", "TrainScreen", "EvaluateScreen", "DrawScreen"} <= seen
    assert {"Ask", "Confirm", "Keys", "CommandPalette"} <= seen


def throw_bytes(count, size, home, seed):
    """Send random input to the app on a real terminal; it has to be there afterwards, and to answer."""
    monkey = Monkey(seed)
    told = lambda: f"seed {seed}, {size}: {list(monkey.last)}"  # noqa: E731
    with Terminal.app(columns=size[0], lines=size[1]) as terminal:
        wait_until(lambda: terminal.painted > 500)
        for number in range(count):
            terminal.write(monkey.bytes())
            if number % 10 == 0:
                time.sleep(0.05)  # else the terminal's own buffer is full and drops what comes
            assert terminal.process.poll() is None, told()
        terminal.write(b"\x1b[201~")
        wait_until(lambda: terminal.process.poll() is not None or quiet_then_painted(terminal), told)
        assert terminal.process.poll() is None, told()
        assert "Traceback" not in (home / "app.log").read_text(), told()


def quiet_then_painted(terminal):
    """Whether the app paints itself for a new size."""
    terminal.wait_until_quiet(0.5, most=5)
    before = terminal.painted
    terminal.resize(100, 33)
    terminal.wait_until_quiet(0.5, most=5, since=before)
    return terminal.painted > before


@pytest.mark.usefixtures("work_under_way")
def test_no_bytes_end_the_app(home):
    keep_small_draft()
    throw_bytes(300, (120, 40), home, SEED)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("work_under_way")
def test_five_thousand_inputs_end_nothing(home, size):
    keep_small_draft()
    throw_bytes(5_000, size, home, SEED)
