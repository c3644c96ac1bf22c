"""Processes in the background."""

import os

import pytest

from kanatui.core import processes
from kanatui.core.errors import UsageError


@pytest.mark.parametrize(("said", "niceness"), [("", 10), ("0", 0), ("19", 19)])
def test_the_niceness_of_background_jobs_can_be_set(said, niceness, monkeypatch):
    monkeypatch.setenv("KANATUI_NICENESS", said)
    assert processes.niceness() == niceness


@pytest.mark.parametrize("said", ["20", "-1", "low"])
def test_a_niceness_that_makes_no_sense_is_refused_before_anything_starts(said, monkeypatch, tmp_path):
    monkeypatch.setenv("KANATUI_NICENESS", said)
    with pytest.raises(UsageError, match=f"KANATUI_NICENESS={said}"):
        processes.start(["--version"], tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_a_background_job_is_as_nice_as_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("KANATUI_NICENESS", "7")
    process = processes.start(["--version"], tmp_path / "log")
    nice = os.getpriority(os.PRIO_PROCESS, process.pid)
    assert process.wait() == 0
    assert nice == 7
    assert (tmp_path / "log").read_text().startswith("kanatui ")
