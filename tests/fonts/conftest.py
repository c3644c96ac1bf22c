"""Fonts of a test's own."""

import shutil
from pathlib import Path

import pytest

from tests.helpers.own_fonts import build_tricky_font


@pytest.fixture
def place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and font folders in which only its fonts lie."""
    shutil.rmtree(home / "cache")
    (tmp_path / "fonts").mkdir()
    monkeypatch.setenv("KANATUI_FONT_PATH", str(tmp_path / "fonts"))
    return tmp_path


@pytest.fixture
def tricky(place: Path) -> Path:
    """A font whose cmap promises more than its glyphs hold."""
    return build_tricky_font(place / "fonts" / "tricky.ttf")
