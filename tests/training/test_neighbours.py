"""Leaving cores to other processes: how many threads, when they change, and that a replay repeats it."""

import time

import pytest

from kanatui.cli.bench.beside import busy
from kanatui.training import neighbours
from kanatui.training.event_text import describe
from kanatui.training.neighbours import Neighbours
from tests.helpers.processes import wait_until


@pytest.fixture
def machine(monkeypatch):
    """A machine with eight cores whose clock and load the test sets."""

    class Machine:
        now = own = others = 0.0

        def pass_(self, seconds, own, others):
            self.now += seconds
            self.own += own * seconds
            self.others += others * seconds

    found = Machine()
    monkeypatch.setattr(neighbours, "_cores", lambda: list(range(8)))
    monkeypatch.setattr(neighbours, "_busy_seconds", lambda: found.own + found.others)
    monkeypatch.setattr(neighbours.time, "monotonic", lambda: found.now)
    return found


def looks(machine, watching, seconds, own, others):
    """The numbers of threads while the machine has a load for some seconds; it is looked at twice a second."""
    found = []
    for _ in range(int(2 * seconds)):
        machine.pass_(0.5, own, others)
        found.append(watching.look(machine.own))
    return found


def test_fewer_threads_at_once_and_more_after_two_windows(machine):
    watching = Neighbours(8)
    assert set(looks(machine, watching, 10, own=7.9, others=0.3)) == {8}
    assert looks(machine, watching, 3, own=5.0, others=3.0)[-1] == 5
    assert watching.busy == pytest.approx(3.0)
    assert looks(machine, watching, 4, own=0.5, others=12.0)[-1] == 1, "one thread is left, whatever the load"
    rising = looks(machine, watching, 8, own=1.0, others=0.0)
    assert rising[0] == 1 and rising[-1] == 8
    assert rising.index(8) >= 6, "a pause of the others for one window is no room"


def test_no_more_threads_than_asked_for(machine):
    watching = Neighbours(2)
    assert set(looks(machine, watching, 6, own=2.0, others=4.0)) == {2}


def test_busy_processes_are_seen():
    cores = len(neighbours._cores())
    watching = Neighbours(cores)
    with busy(2 * cores):
        wait_until(lambda: watching.look(time.process_time()) == 1)
    assert watching.busy > 0 or cores == 1


def test_it_is_told_in_words():
    told = describe({"event": "threads", "step": 1200, "threads": 1, "busy": 1.34})
    assert told == "1 thread from step 1,200; other processes use 1.3 cores"
    assert describe({"event": "threads", "step": 7, "threads": 2, "busy": None}) == "2 threads from step 7"
