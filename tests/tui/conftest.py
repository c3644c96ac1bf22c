"""What the app finds when it opens: a font folder, a recipe, a model that reads."""

import pytest

from kanatui.dataset.recipe import find_recipe, save_recipe
from kanatui.fonts import faces
from kanatui.tui.dataset.draft import Draft
from tests.helpers import dataset_screen
from tests.helpers.board import make_template_model
from tests.helpers.dataset_screen import FACES, TINY


@pytest.fixture(scope="session")
def few_fonts(tmp_path_factory):
    """A font folder with two faces in it, so that looking at all of them is quick and most are missing."""
    folder = tmp_path_factory.mktemp("fonts")
    for face in faces.load_faces():
        if face.id in FACES:
            (folder / face.path.name).symlink_to(face.path)
    return folder


@pytest.fixture
def tiny(home, few_fonts, monkeypatch):
    """A home whose kept draft is the recipe TINY, saved as `tiny`."""
    monkeypatch.setenv("KANATUI_FONT_PATH", str(few_fonts))
    save_recipe(TINY, "tiny")
    Draft.of(find_recipe("tiny")).keep()


@pytest.fixture
def open_app(tiny):
    """Return what opens the app on the Dataset screen, with the recipe TINY."""
    return dataset_screen.opened


@pytest.fixture
def model(home, tmp_path, monkeypatch):
    """A finished run whose model reads by comparing with a font's glyphs."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.setenv("KANATUI_PLUGINS", str(folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return make_template_model(folder)
