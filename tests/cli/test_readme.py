"""README's commands, typed one after the other in an empty folder, do what README says.

What takes minutes on a quiet machine is scaled down by smaller recipes under the same names, in the settings of the
test's own home. Without that, `quickstart` and `adapt` run with ``-m slow``, as CI does after all other tests.
"""

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kanatui.cli.bench.photograph import fill, photograph
from kanatui.cli.bench.terminal import Terminal
from kanatui.dataset.recipe import find_recipe, save_recipe
from kanatui.evaluation.samples import samples
from kanatui.pictures.sheets import printing
from kanatui.pictures.sheets.boxes import read_sheets
from kanatui.training.runs import find_run
from tests.helpers.processes import LONGEST, wait_until
from tests.helpers.sheets import PEN, SMALL, ink
from tests.helpers.writing import glyphs, image, line

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL))


def commands(section):
    """The commands in a section's code blocks, those joined by && one by one."""
    lines = re.findall(r"^```\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)
    return [command for line in "".join(lines).splitlines() for command in line.split(" && ")]


def words(command):
    """The arguments of a command of kanatui's; None for one of another program."""
    program, *arguments = shlex.split(command)
    return arguments if program in ("kanatui", ".venv/bin/kanatui") else None


START, PAPER, LINE, PLUGINS = (
    "Start", "From paper to a model of your own hand", "On the command line", "Plugins",
)  # fmt: skip


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    folder = tmp_path / "reader"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def shrink(name):
    """Give a recipe a smaller one of the user's own in its place: six characters, one face, seconds of training."""
    recipe = find_recipe(name)
    few = {"characters": "あいうえおき", "faces": ["klee-regular"], "images_per_character": 100}
    save_recipe(recipe.but(**few, outliers=None, train={**recipe.train, "minutes": 0.03}), name)


def test_each_section_with_commands_is_tried_here():
    assert {section for section in SECTIONS if commands(section)} == {START, PAPER, LINE, PLUGINS}


def test_what_readme_installs_is_what_ci_installs_or_an_extra_that_there_is():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    others = [shlex.split(each) for section in SECTIONS for each in commands(section) if words(each) is None]
    setups = [each for each in others if each[:2] == ["bash", ".ci/setup"]]
    assert all(extra in extras for _, _, *given in setups for extra in given)
    assert [each for each in others if each not in setups] == [[".venv/bin/pytest"]]


def test_start(kanatui):
    shrink("quick")
    shrink("handwriting")
    tried = []
    for command in commands(START):
        arguments = words(command)
        if arguments:
            shown = kanatui(*arguments, check=0).stdout
            assert "next:" in shown and find_run("latest").status().state == "finished"
        elif arguments is not None:
            with Terminal.app() as terminal:
                terminal.wait_for("[1 Dataset]")
                terminal.press("\x11")  # ctrl+q
                assert terminal.process.wait(LONGEST) == 0
        tried.append(arguments)
    assert ["quickstart"] in tried and [] in tried


@pytest.mark.slow
def test_the_quickstart_as_it_is_reads_what_it_has_not_seen(kanatui):
    assert commands(START)[1] == ".venv/bin/kanatui quickstart"
    kanatui("quickstart", check=0, timeout=900)
    best = find_run("latest").status().best
    assert best["images"] > 2000 and best["folded"] > 0.5


def write_on_the_sheet():
    """Fill in sheet.pdf as someone who prints it does, and take photo.jpg of it."""
    printed = printing.pictures(Path("sheet.pdf").read_bytes(), 200)[0]
    (sheet,) = read_sheets(printed)
    shapes = ink(sheet.page.characters)
    written = {place: shapes[character] for place, character in enumerate(sheet.page.characters)}
    filled = fill(printed, sheet.page, written, np.random.default_rng(0), (), PEN)
    Path("photo.jpg").write_bytes(photograph(filled, sheet.page, SMALL, 0).jpeg)
    return sheet.page.characters


def try_paper(kanatui):
    """Type all commands of the section but `adapt`, which is the last."""
    *others, last = filter(None, map(words, commands(PAPER)))
    assert last == ["adapt"]
    for arguments in others:
        kanatui(*arguments, check=0)
        if arguments[:2] == ["sheet", "make"]:
            characters = write_on_the_sheet()
    assert sorted(sample.character for sample in samples()) == sorted(characters)


def test_from_paper(kanatui):
    try_paper(kanatui)


@pytest.mark.slow
def test_from_paper_to_an_adapted_model(kanatui):
    try_paper(kanatui)
    assert "your samples, held out" in kanatui("adapt", check=0, timeout=900).stdout
    run = find_run("latest")
    assert run.status().state == "finished" and run.config["adapt"]["samples"] > 30


def own_pictures():
    """The files that the section's commands name: labelled pictures, one of a character, one of a line."""
    for character, glyph in glyphs("あいうえおき").items():
        folder = Path("DIR", character)
        folder.mkdir(parents=True)
        Image.fromarray(255 - np.pad(glyph.ink, 12)).save(folder / "mine.png")
    Image.open("DIR/あ/mine.png").save("picture.png")
    image(line("きおく").picture).save("page.jpg", quality=90)


def train_for_a_moment(kanatui):
    """Wait until the training in the background has learnt something, and stop it: README's takes ten minutes."""
    run = find_run("latest")
    wait_until(lambda: run.status().step > 0 or not run.alive(), lambda: run.status().reason)
    kanatui("stop", check=0)
    assert wait_until(lambda: run.status().state not in ("running", "starting") and run.status().state) == "stopped"


def test_on_the_command_line(kanatui):
    own_pictures()
    shown = {}
    for arguments in map(words, commands(LINE)):
        if arguments[0] == "train":
            shrink("handwriting")
        shown[arguments[0]] = kanatui(*arguments, check=0).stdout
        if arguments[0] == "train":
            train_for_a_moment(kanatui)
    assert {"preview", "train", "evaluate", "recognize", "read", "export"} == set(shown)
    assert "あ" in shown["recognize"] and shown["read"].strip()
    assert re.search(r"^all +6 ", shown["evaluate"], re.MULTILINE)
    assert len(list(Path().glob("*.onnx"))) == 2


def test_plugins(kanatui):
    shrink("quick")
    for arguments in map(words, commands(PLUGINS)):
        shown = kanatui(*arguments, check=0).stdout
    assert arguments[-1] == "shade" and shown.strip()
