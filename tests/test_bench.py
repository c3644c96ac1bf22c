"""What `kanatui bench` measures with."""

import sys

import pytest

from kanatui.bench.figures import Figure, percentile
from kanatui.bench.machine import describe_machine
from kanatui.bench.terminal import Terminal
from kanatui.errors import KanatuiError


def test_a_figure_knows_whether_its_goal_is_met():
    assert Figure("traffic", 12.0, "kB/s", 20.0).met
    late = Figure("keys", 60.0, "ms", 50.0, [40.0, 60.0, 50.0])
    assert not late.met
    assert late.spread == "40 … 50 … 60"
    assert late.to_dict()["samples"] == [40.0, 60.0, 50.0]


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 51), (0.95, 96), (1.0, 100)])
def test_percentiles(share, value):
    assert percentile(list(range(100, 0, -1)), share) == value


def test_the_machine_is_described():
    assert {"processor", "cores", "memory", "system", "versions", "load"} == set(describe_machine())


ECHO = "import sys\nprint('ready', flush=True)\nfor line in sys.stdin: print('got', line.strip().upper(), flush=True)"


def test_a_terminal_gives_keys_and_times_what_is_painted():
    with Terminal([sys.executable, "-u", "-c", ECHO], 80, 24) as terminal:
        first = terminal.wait_for("ready")
        since = terminal.press("hello\n")
        assert terminal.wait_for("got HELLO", since) >= first >= terminal.started
        assert "ready" not in terminal.text(since)
        terminal.wait_until_quiet(0.2)
        assert terminal.painted == len(terminal.text().encode())
        with pytest.raises(KanatuiError, match="never showed 'farewell'"):
            terminal.wait_for("farewell", seconds=0.1)
    assert terminal.process.poll() is not None
