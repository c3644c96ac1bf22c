import pickle
import subprocess
import sys
import textwrap

import pytest

from kanatui.core.errors import FontError, PluginError
from kanatui.plugins import registry as plugins
from kanatui.plugins import trust

GOOD = """
    "Turn everything upside down."
    from kanatui import Float, Pixel, hookimpl

    class Flip(Pixel):
        id = "flip"
        amount = Float(1.0, min=0.0, max=1.0)

        def draw(self, keys, size):
            return {}

        def apply(self, images, drawn):
            return images.flip(2)

    @hookimpl
    def kanatui_augmentations():
        return [Flip]
"""


@pytest.fixture
def folder(tmp_path):
    plugins.reload()
    path = tmp_path / "mine"
    path.mkdir()
    yield path
    plugins.reload()


def write(folder, name, text, trusted=True):
    file = folder / name
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    if trusted:
        trust.trust(file)
    return file


def source(registry, name):
    return next(s for s in registry.modules if s.name == name)


def test_shipped_plugins_all_load():
    registry = plugins.load()
    assert {s.state for s in registry.modules if s.found_as == "shipped"} == {"loaded"}
    assert {"size", "shift", "rotate", "shear", "blur", "noise", "elastic", "stroke_width", "erase"} <= set(
        registry.augmentations
    )
    assert {"article_cnn", "compact_cnn"} <= set(registry.models)
    assert all(plugins.description(cls) for cls in [*registry.augmentations.values(), *registry.models.values()])


def test_a_trusted_file_is_loaded_like_a_shipped_one(folder):
    write(folder, "flip.py", GOOD)
    registry = plugins.load([folder])
    assert registry.augmentation("flip")(amount=0.5).amount == 0.5
    assert registry.module_of["flip"].found_as == "folder"


def test_an_untrusted_or_changed_file_never_runs(folder):
    evil = write(folder, "evil.py", "raise SystemExit('ran')", trusted=False)
    changed = write(folder, "flip.py", GOOD)
    changed.write_text(changed.read_text() + "\nraise SystemExit('ran')\n")
    registry = plugins.load([folder])
    assert source(registry, "evil").state == source(registry, "flip").state == "untrusted"
    assert f"kanatui plugins trust {evil}" in source(registry, "evil").error
    with pytest.raises(PluginError, match="untrusted"):
        registry.augmentation("flip")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def (", "SyntaxError"),
        (
            "from kanatui import hookimpl\n@hookimpl\ndef kanatui_models():\n    return [42]",
            "derived from Model, and returned 42",
        ),
        ("from kanatui import hookimpl\n@hookimpl\ndef kanatui_models():\n    return 42", "has to return a list"),
        (GOOD.replace("def kanatui_augmentations", "def kanatui_models"), "Model, and returned the class"),
        (
            "from kanatui import hookimpl\n@hookimpl\ndef kanatui_modles():\n    return []",
            "mean kanatui_models?",
        ),
        ("from kanatui import hookimpl\n@hookimpl\ndef kanatui_models():\n    raise OSError('boom')", "boom"),
        (GOOD.replace('"flip"', '"Flip It"'), "Flip It"),
    ],
)
def test_a_broken_plugin_is_shown_and_harms_no_other(folder, text, words):
    write(folder, "a_broken.py", text)
    write(folder, "flip.py", GOOD)
    registry = plugins.load([folder])
    broken = source(registry, "a_broken")
    assert broken.state == "failed"
    assert words in broken.error
    assert "Traceback" in broken.traceback
    assert "flip" in registry.augmentations and "blur" in registry.augmentations


def test_duplicate_ids_name_both_sources(folder):
    write(folder, "again.py", GOOD.replace('"flip"', '"rotate"'))
    registry = plugins.load([folder])
    error = source(registry, "again").error
    assert "'rotate'" in error and "rotate.py" in error and "again.py" in error
    assert registry.module_of["rotate"].found_as == "shipped"


def test_nothing_is_loaded_from_the_current_directory(folder, monkeypatch):
    write(folder, "flip.py", GOOD)
    monkeypatch.chdir(folder)
    assert "flip" not in plugins.load().augmentations


def test_a_plugin_object_survives_pickling(folder):
    write(folder, "flip.py", GOOD)
    flip = plugins.load([folder]).augmentation("flip")(amount=0.25)
    assert pickle.loads(pickle.dumps(flip)) == flip


def test_a_worker_loads_the_same_plugins_again(folder):
    write(folder, "flip.py", GOOD)
    name = plugins.load([folder]).augmentation("flip").__module__
    loading = f"from kanatui.plugins.registry import load; found = load([{str(folder)!r}])"
    script = f"{loading}; print(found.augmentation('flip').__module__)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == name


def test_a_broken_entry_point_harms_no_other(tmp_path, folder):
    site = tmp_path / "site"
    info = site / "thirdparty-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[kanatui]\nbad = not_there_at_all\ngood = thirdparty_flip\n")
    (site / "thirdparty_flip.py").write_text(textwrap.dedent(GOOD))
    script = (
        "from kanatui.plugins.registry import load\nr = load()\n"
        "found = [(s.name, s.version, s.state) for s in r.modules if s.found_as == 'entry point']\n"
        "print(found, 'flip' in r.augmentations)"
    )
    import os

    shown = subprocess.check_output(
        [sys.executable, "-c", script], text=True, env={**os.environ, "PYTHONPATH": str(site)}
    )
    assert shown.strip() == "[('bad', '1.2', 'failed'), ('good', '1.2', 'loaded')] True"


def test_unknown_ids_say_what_there_is():
    with pytest.raises(PluginError, match="unknown augmentation 'wobble' .*rotate.*need --plugins-dir"):
        plugins.load().augmentation("wobble")
    with pytest.raises(PluginError, match="no such folder"):
        plugins.load(["/nowhere/at/all"])


def test_every_hook_is_documented_and_used_by_a_shipped_plugin_or_the_trainer():
    from pathlib import Path

    from kanatui.plugins import hookspecs

    hooks = [name for name in vars(hookspecs) if name.startswith("kanatui_")]
    tests = "".join(path.read_text() for path in Path(__file__).parent.parent.rglob("test_*.py"))
    guide = (Path(__file__).parent.parent.parent / "docs" / "PLUGINS.md").read_text()
    for name in hooks:
        assert getattr(hookspecs, name).__doc__, name
        assert name in guide, f"{name} is not in the guide"
        assert f"def {name}" in tests + guide, f"no test implements {name}"


def test_the_example_of_the_guide_works(folder):
    from pathlib import Path

    import numpy as np
    import torch

    from kanatui.core.rng import Keys

    guide = Path(__file__).parent.parent.parent / "docs" / "PLUGINS.md"
    write(folder, "shade.py", guide.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0])
    shade = plugins.load([folder]).augmentation("shade")(depth=(0.5, 0.5))
    drawn = shade.draw(Keys(np.arange(3, dtype=np.uint64)), 8)
    images = shade.apply(torch.ones(3, 1, 8, 8), {name: torch.from_numpy(v) for name, v in drawn.items()})
    assert images.shape == (3, 1, 8, 8)
    assert images[:, 0, 0, 0].eq(1).all() and images[:, 0, 7, 7].eq(0.5).all()


SQUARES = """
    "Draw every character as a square."
    from pathlib import Path

    import numpy as np

    from kanatui import GlyphSource, hookimpl
    from kanatui.fonts.faces import Face
    from kanatui.fonts.masters import Masters

    class Squares(GlyphSource):
        id = "squares"

        def faces(self):
            return [Face("squares-plain", "gothic", "regular", "CC0", "", Path(__file__), 0, "", source="squares")]

        def coverage(self, face, characters):
            return np.ones(len(characters), dtype=bool)

        def masters(self, face, characters, em):
            half, n = em // 2, len(characters)
            square = np.full((half, half), 255, dtype=np.uint8)
            corner = np.tile(np.array([[em // 4, -half]], dtype=np.int32), (n, 1))
            widths = np.ones(n, dtype=np.float32)
            return Masters([square] * n, corner, em, widths, widths, ascent=0.75, descent=-0.25)

    @hookimpl
    def kanatui_glyph_sources():
        return [Squares]
"""


def test_another_glyph_source_is_drawn_like_fonts_are(folder):
    import numpy as np

    from kanatui.dataset.recipe import Augment, Recipe
    from kanatui.dataset.stream import GlyphStream

    write(folder, "squares.py", SQUARES)
    size = Augment("size", 1.0, {"points": [128.0, 128.0]})
    recipe = Recipe("x", [size], characters="あい", faces=["squares-plain"], image_size=64, images_per_character=2)
    images = GlyphStream(recipe, plugins.load([folder])).images(np.arange(4))
    assert (images[:, 25:39, 25:39] == 255).all()
    outside = images.copy()
    outside[:, 23:41, 23:41] = 0
    assert not outside.any()
    assert images.sum(axis=(1, 2)) == pytest.approx(255 * 16 * 16, rel=0.01)
    with pytest.raises(FontError, match="squares-plain: has no font"):
        GlyphStream(recipe.but(rendering="exact"), plugins.load([folder])).images([0])


def test_faces_of_another_source_have_to_be_named(folder):
    from kanatui.fonts.faces import OWN_SOURCES, select_faces

    write(folder, "squares.py", SQUARES)
    registry = plugins.load([folder])
    assert registry.guests == {"squares"}
    assert set(OWN_SOURCES) == set(registry.glyph_sources) - registry.guests
    faces = [face for source in registry.glyph_sources.values() for face in source().faces()]

    def chosen(*patterns):
        return {face.id for face in select_faces(faces, patterns)}

    for patterns in ((), ("*",), ("-klee-*",), ("style:gothic",), ("gothic",), ("[a-z]*",)):
        assert chosen(*patterns) and "squares-plain" not in chosen(*patterns)
    assert chosen("squares-plain") == chosen("squares-*") == {"squares-plain"}
    assert chosen("*", "squares-*") == chosen("*") | {"squares-plain"}
    with pytest.raises(FontError, match="no face matches"):
        chosen("*-plain")


def test_the_faces_tab_writes_patterns_that_mean_what_is_ticked(folder):
    from kanatui.tui.dataset.draft import face_patterns, ticked_faces

    write(folder, "squares.py", SQUARES)
    sources = plugins.load([folder]).glyph_sources.values()
    faces = [face for source in sources for face in source().faces()]
    own = {face.id for face in faces if not face.guest}
    for ticked in ({"squares-plain"}, own, own | {"squares-plain"}, {"squares-plain", "klee-regular"}):
        assert ticked_faces(faces, face_patterns(faces, ticked)) == ticked


def test_a_plugin_used_in_a_way_it_has_no_method_for_is_named(folder):
    import numpy as np

    from kanatui.dataset.plan import GlyphPlan
    from kanatui.plugins.bases import Placement

    class OnlyRandom(Placement):
        id = "only_random"

    with pytest.raises(PluginError, match=r"placement 'only_random' .* does not define grid\(\)"):
        GlyphPlan("あ", np.ones((1, 1), bool), [(OnlyRandom(), 1.0)], mode="grid", seed=0)
