"""What `kanatui bench` measures with."""

import functools
import itertools
import json
import re
import sys
import time
import venv

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kanatui.cli.bench import bench_command, drawing, render, unknown
from kanatui.cli.bench.figures import Figure, percentile
from kanatui.cli.bench.process import run_kanatui
from kanatui.cli.bench.read import edit_distance, folded, measure_read
from kanatui.cli.bench.rounds import alternate, microseconds, rate
from kanatui.cli.bench.terminal import Terminal
from kanatui.core.errors import ImageError, KanatuiError
from kanatui.core.machine import describe_machine
from kanatui.kana.alphabet import BASIC_HIRAGANA, HIRAGANA
from kanatui.model.calibration import Calibration
from kanatui.model.weights import save_weights
from kanatui.training.runs import list_runs
from tests.helpers.writing import glyphs, line


def test_a_figure_knows_whether_its_goal_is_met():
    assert Figure("traffic", 12.0, "kB/s", 20.0).met
    late = Figure("keys", 60.0, "ms", 50.0, [40.0, 60.0, 50.0])
    assert not late.met
    assert late.spread == "40 … 50 … 60"
    assert late.to_dict()["samples"] == [40.0, 60.0, 50.0]


def test_goals_may_be_the_least_the_most_or_none():
    fast = Figure.ratio("placed / one by one", [600.0, 500.0, 900.0], [1.0, 2.0, 1.0], least=500.0)
    assert (fast.value, fast.goal, fast.met) == (600.0, "≥ 500 ×", True)
    assert not Figure("workers", 1.5, "×", least=1.8).met
    free = Figure.median("stream", [12_000.0, 9_000.0, 10_345.6], "images/s")
    assert free.met and not free.goal
    assert free.measured == "10,346 images/s"
    assert json.loads(json.dumps(free.to_dict(), allow_nan=False))["least"] is None


def test_ways_take_turns_and_the_first_round_does_not_count():
    calls, told = [], []
    ways = {name: functools.partial(lambda name: calls.append(name) or len(calls), name) for name in "ab"}
    found = alternate(ways, 3, lambda done, total, text: told.append((done, total, text)), "title")
    assert "".join(calls) == "baabbaab"
    assert found == {"a": [3, 6, 7], "b": [4, 5, 8]}
    assert told[0] == (0, 8, "title") and told[-1] == (8, 8, "title")


def test_rates_and_times_are_of_each_thing():
    assert rate(1000, lambda: time.sleep(0.01))() <= 100_000
    assert microseconds(lambda: time.sleep(0.01), 10, least=0.03)() >= 1000


def test_digits_that_people_wrote_are_read_with_a_model_that_is_there(tmp_path, home):
    sklearn = pytest.importorskip("sklearn.datasets")
    from kanatui.cli import run
    from kanatui.cli.bench.digits import measure_digits

    short = ["--faces", "pen-0*", "-n", "20", "--epochs", "1", "--model-set", "width=4", "--workers", "0"]
    assert run(["train", "digits", *short]) == 0
    told = []
    figures = measure_digits(1.0, "latest", lambda done, total, text: told.append((done, total, text)))
    assert all(0 <= figure.value < 95 for figure in figures) and not figures[0].met
    assert told[-1] == (1797, 1797, "reading") and len(sklearn.load_digits().target) == 1797


def test_a_process_is_watched_to_its_end(tmp_path):
    done = run_kanatui(["recipes", "--json"], tmp_path)
    assert "handwriting" in done.output
    assert done.seconds > 0 and done.peak > 1e7
    with pytest.raises(KanatuiError, match="recipes show nonsense failed: .*nonsense"):
        run_kanatui(["recipes", "show", "nonsense"], tmp_path)


def test_pillow_draws_the_picture_that_imagemagick_draws():
    """Otherwise it would be no fair comparison."""
    names = render.ONE_BY_ONE, "placed, 64 px"
    figures = {figure.name: figure for figure in render.measure_render(1, 64, lambda *_: None)}
    assert all(figures[name].unit == "images/s" and figures[name].value > 0 for name in names)
    alike = next(figure for name, figure in figures.items() if name.startswith("Pillow, canvas"))
    assert float(re.search(r"([\d.]+) dB", alike.note)[1]) > 30


def test_bench_render_prints_figures_and_machine_for_programs():
    result = CliRunner().invoke(bench_command, ["render", "--rounds", "1", "--size", "32", "--json"])
    assert result.exit_code == 0, result.output
    assert "TRDG and SynthTIGER skipped" in result.stderr
    found = json.loads(result.stdout)
    assert {"command", "date", "machine", "figures"} == set(found)
    assert {"bench", "name", "value", "unit", "samples", "met"} <= set(found["figures"][0])


TRDG = """
from PIL import Image, ImageDraw

class GeneratorFromStrings:
    def __init__(self, strings, count, fonts, size, width, skewing_angle, blur, **options):
        assert (count, skewing_angle, blur, width) == (1, 8, size / 64, size) and len(strings[0]) == len(fonts) == 1
        self.image = Image.new("L", (size, size), 255)
        ImageDraw.Draw(self.image).rectangle((9, 9, 19, 19), fill={ink})

    def __iter__(self):
        return self

    def __next__(self):
        return self.image, ""
"""


@pytest.fixture
def other_python(tmp_path):
    """Make a Python of its own that has the packages of this one, and something in place of TRDG."""
    venv.create(tmp_path / "other", symlinks=True)
    (site,) = (tmp_path / "other").glob("lib/python*/site-packages")
    (site / "these.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    (site / "trdg-9.8.dist-info").mkdir()
    (site / "trdg-9.8.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: trdg\nVersion: 9.8\n")
    (site / "trdg").mkdir()

    def make(ink):
        (site / "trdg" / "generators.py").write_text(TRDG.format(ink=ink))
        return tmp_path / "other" / "bin" / "python"

    return make


def test_other_programs_do_the_same_job_in_a_python_of_their_own(other_python, kanatui):
    python = other_python(ink=0)
    arguments = ["bench", "render", "--rounds", "1", "--size", "32", "--peers", python, "--json"]
    shown = kanatui(*arguments, check=0)
    figures = {figure["name"]: figure for figure in json.loads(shown.stdout)["figures"]}
    ours, theirs = (figures[f"{name}, turned and blurred, 32 px"] for name in ("placed", "TRDG"))
    assert theirs["note"] == "one thread; version 9.8" and theirs["unit"] == "images/s" and theirs["value"] > 0
    ratio = figures["placed / TRDG, turned and blurred, 32 px"]["value"]
    assert ratio == pytest.approx(ours["value"] / theirs["value"])
    assert "SynthTIGER skipped" in shown.stderr and not any("SynthTIGER" in name for name in figures)


def test_a_program_that_draws_nothing_is_not_measured(other_python, kanatui, one_line_error):
    failed = kanatui("bench", "render", "--rounds", "1", "--size", "32", "--peers", other_python(ink=255))
    one_line_error(failed, 1, "TRDG drew 0 of 200 images")


def test_a_python_without_other_programs_is_named(kanatui, one_line_error):
    one_line_error(kanatui("bench", "render", "--peers", sys.executable), 2, sys.executable, "neither TRDG nor")
    one_line_error(kanatui("bench", "render", "--peers", "/bin/false"), 2, "/bin/false", "not a Python")


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 51), (0.95, 96), (1.0, 100)])
def test_percentiles(share, value):
    assert percentile(list(range(100, 0, -1)), share) == value


def test_the_machine_is_described():
    machine = describe_machine()
    assert {"processor", "cores", "memory", "system", "threads", "versions", "load"} == set(machine)
    assert "torch" in machine["versions"]


ECHO = "import sys\nprint('ready', flush=True)\nfor line in sys.stdin: print('got', line.strip().upper(), flush=True)"


def test_a_terminal_gives_keys_and_times_what_is_painted():
    with Terminal([sys.executable, "-u", "-c", ECHO], 80, 24) as terminal:
        first = terminal.wait_for("ready")
        since = terminal.press("hello\n")
        assert terminal.wait_for("got HELLO", since) >= first >= terminal.started
        assert "ready" not in terminal.text(since)
        terminal.wait_until_quiet(0.2)
        assert terminal.painted == len(terminal.text().encode())
        with pytest.raises(KanatuiError, match="never showed farewell"):
            terminal.wait_for("farewell", seconds=0.1)
    assert terminal.process.poll() is not None


def test_a_stroke_is_reported_cell_by_cell_on_the_board():
    cells = drawing.reports(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    assert (cells[0], cells[-1]) == ((2, 3), (73, 38))
    assert (73, 3) in cells
    assert all(before != after for before, after in itertools.pairwise(cells))
    assert len(drawing.reports(((0.5, 0.5), (0.5, 0.5)))) == 1


def test_strokes_on_the_draw_screen_are_timed_until_they_are_read():
    with Terminal.app() as terminal:
        terminal.wait_for("[1 Dataset]")
        since = terminal.painted
        figure = drawing.measure_pen(terminal, "trying", ["ト"], rounds=1)
        assert len(figure.samples) == 2 and figure.value == max(figure.samples) > 0
        assert figure.note.startswith("trying; median of first strokes")
        assert "ト" in terminal.text(since)


def test_unknown_measures_what_a_model_refuses(tmp_path, monkeypatch, picture):
    """With a model that nobody trained: it is as unsure of kana as of all else."""
    monkeypatch.setattr(unknown, "KANJI", 3)
    monkeypatch.setattr(unknown, "SHAPES", 5)
    monkeypatch.setattr(unknown, "EACH", {"kana": 2, "digits": 1, "letters": 1, "kanji": 1})
    from kanatui.dataset.recipe import find_recipe
    from kanatui.model.building import build_model
    from kanatui.plugins.registry import load

    recipe = find_recipe("quick").but(faces=["klee-regular", "noto-sans-cjk-jp-regular"], characters="あかが")
    module, parameters = build_model(load(), "compact_cnn", {}, 32, 3)
    config = {"source": {"recipe": recipe.to_dict()}, "train": {"hold_out_faces": ["klee-*"]}}
    card = {"model": {"id": "compact_cnn", "parameters": parameters}, "characters": "あかが", "image_size": 32}
    save_weights(
        tmp_path / "model.safetensors", module, Calibration(1.0, 1.0, 9, "faces").in_card(card | {"config": config})
    )
    picture("real/あ/1.png")
    found = unknown.measure_unknown(tmp_path / "model.safetensors", tmp_path / "real", [], lambda *told: None)
    figures = {figure.name: figure for figure in found}
    assert 0.0 <= figures["AUROC, generated kana"].value <= 1.0
    assert (
        "6 kana" in figures["AUROC, generated kana"].note and "held-out faces" in figures["AUROC, generated kana"].note
    )
    assert "1 kana" in figures["refused, 95 % of kana in real kept"].note
    assert figures["generated kana kept"].value == 0.0 and figures["kana in real kept"].value == 0.0
    for kind in ("digits", "letters", "kanji", "scribbles, blots, surfaces"):
        assert figures[f"{kind} refused"].value == 100.0


def test_edits_are_counted_with_look_alikes_folded():
    assert edit_distance("かきく", "かきく") == 0
    assert edit_distance("かきく", "かく") == 1 == edit_distance("かく", "かきく")
    assert edit_distance("", "あい") == 2 == edit_distance("あい", "")
    assert edit_distance("しゃしん", "いやいん") == 3
    assert folded("ヘっリ") == "へつり"


def test_bench_read_measures_lines_sheets_and_speed(shipped_model, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for character, glyph in glyphs(HIRAGANA[:40]).items():
        folder = tmp_path / f"U+{ord(character):04X}"
        folder.mkdir()
        Image.fromarray(255 - np.pad(glyph.ink, 8)).save(folder / "writer.png")
    arguments = ["read", "--lines", "1", "--drawings", str(tmp_path), "--model", str(shipped_model), "--json"]
    result = CliRunner().invoke(bench_command, arguments, standalone_mode=False)
    figures = {figure["name"]: figure for figure in json.loads(result.stdout)["figures"]}
    lines = [f"lines of {of}, {way}" for of in ("drawings", "faces") for way in ("horizontal", "vertical")]
    wanted = [*lines, "lines of drawings, horizontal, script given", "squared paper, vertical", "lines, in shadow"]
    assert all(figures[name]["unit"] == "% CER" and "n = " in figures[name]["note"] for name in wanted)
    assert all(figures[name]["value"] < 60 for name in wanted)
    assert figures["reading"]["value"] > 0


@pytest.mark.slow
def test_bench_sheets_adapts_to_a_sheet_of_the_worst_writer(shipped_model, tmp_path, monkeypatch, home):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for character, glyph in glyphs(BASIC_HIRAGANA[:42]).items():
        for name, drawn in {"neat": glyph.ink, "upside-down": glyph.ink[::-1, ::-1]}.items():
            target = tmp_path / f"U+{ord(character):04X}" / f"{name}.png"
            target.parent.mkdir(exist_ok=True)
            Image.fromarray(255 - np.pad(drawn, 8)).save(target)
    arguments = ["sheets", str(tmp_path), "--adapt", "1", "--minutes", "0.02", "--json"]
    result = CliRunner().invoke(bench_command, arguments, standalone_mode=False)
    writer, cured, fall = json.loads(result.stdout)["figures"]
    assert writer["name"] == "writer upside-down, hiragana"
    assert re.fullmatch(r".* % of 42 drawings; generated [+-].* points; [1-9]\d* steps", writer["note"])
    assert cured["unit"] == "%" and fall["unit"] == "points"
    assert list_runs() == []


def test_bench_read_says_what_drawings_it_needs(shipped_model, tmp_path):
    (tmp_path / "あ").mkdir()
    Image.new("L", (9, 9), 0).save(tmp_path / "あ" / "1.png")
    with pytest.raises(ImageError, match="nobody drew 20 characters"):
        measure_read(shipped_model, tmp_path, 1, lambda done, total, text: None)


def test_composed_pictures_are_the_same_for_a_seed():
    one, same, other = (line("あいう", seed=seed).picture for seed in (5, 5, 6))
    assert one.shape == same.shape and (one == same).all()
    assert one.shape != other.shape or (one != other).any()


def test_bench_all_measures_what_readme_shows_and_goes_on_after_a_failure(tmp_path, kanatui, shipped_model):
    (tmp_path / "empty").mkdir()
    chosen = ["bench", "all", "--images", tmp_path / "empty", "--only", "evaluate", "--only", "pictures", "--json"]
    failed = kanatui(*chosen, check=1)
    assert json.loads(failed.stdout)["figures"] == []
    assert "bench evaluate: " in failed.stderr and "bench pictures: " in failed.stderr

    for character, glyph in glyphs("あいうえおか").items():
        folder = tmp_path / "drawings" / character
        folder.mkdir(parents=True)
        Image.fromarray(255 - np.pad(glyph.ink, 8)).save(folder / "writer.png")
    shown = kanatui("bench", "all", "--images", tmp_path / "drawings", "--only", "evaluate", "--json", check=0)
    strict, folded = json.loads(shown.stdout)["figures"]
    assert (strict["bench"], strict["name"], strict["note"]) == ("evaluate", "strict", "6 pictures")
    assert 50 < strict["value"] <= folded["value"] <= 100


def test_bench_all_names_what_there_is(kanatui, one_line_error):
    one_line_error(kanatui("bench", "all", "--only", "unknown"), 2, "--only 'unknown'", "render", "--images DIR")


def test_a_terminal_that_was_hung_up_touches_no_other():
    """The system gives the number of a closed file to the next one."""
    cat = ["sh", "-c", "read line; echo got $line; read line"]
    for number in range(20):
        one = Terminal(cat)
        one.hang_up()
        with Terminal(cat) as two:
            one.end()
            two.press(f"line {number}\n")
            two.wait_for(f"got line {number}")
