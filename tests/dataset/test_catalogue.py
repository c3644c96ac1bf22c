"""Which data sets there are and how each stands, told from what lies on disk."""

import pytest

from kanatui.core import paths
from kanatui.core.errors import DatasetError
from kanatui.dataset.catalogue import Catalogue, find
from kanatui.dataset.generation import LOG


def test_an_empty_home_has_no_data_sets():
    assert Catalogue().look() == []


def test_a_data_set_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(DatasetError, match="no data set 'kana' .*kanatui generate makes one"):
        find("kana")
    (paths.datasets() / "other").mkdir(parents=True)
    (paths.datasets() / "other" / LOG).touch()
    with pytest.raises(DatasetError, match="no data set 'kana' .*there are: other"):
        find("kana")


def test_a_manifest_that_cannot_be_read_is_shown_as_damaged():
    folder = paths.datasets() / "broken"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{")
    found = find("broken")
    assert found.state == "damaged"
    assert "manifest.json" in found.reason


@pytest.mark.parametrize(
    ("log", "state", "reason"),
    [
        ("", "stopped", ""),
        ("generating: 3,640/33,800  404 images/s  2 s left", "stopped", ""),
        ("stopped with 1 of 9 shards finished; continue with: kanatui generate --resume\ninterrupted", "stopped", ""),
        ("kanatui: the disk is full", "failed", "the disk is full"),
        (
            "Traceback (most recent call last):\nModuleNotFoundError: no torch",
            "failed",
            "ModuleNotFoundError: no torch",
        ),
    ],
)
def test_the_log_says_how_a_generation_ended(log, state, reason):
    folder = paths.datasets() / "kana"
    folder.mkdir(parents=True)
    (folder / LOG).write_text(log)
    found = find("kana")
    assert (found.state, found.reason) == (state, reason)
