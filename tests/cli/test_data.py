"""Commands about data, and every bad input that they may get: one line, the right status, nothing harmed."""

import json
import os
import re
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from kanatui import cli
from kanatui.core import paths
from kanatui.dataset import generation
from kanatui.dataset.manifest import writer_of
from kanatui.dataset.read import open_dataset
from kanatui.dataset.recipe import read_recipe
from kanatui.fonts import imagemagick
from kanatui.plugins import registry as plugins
from tests.helpers.processes import wait_until

SMALL = ("quick", "--faces", "klee-regular", "-c", "あいう", "-n", "5")


@pytest.fixture
def type_in(capsys):
    """Carry out a command line in this process: (status, output, errors)."""

    def run(*arguments):
        status = cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def refused(type_in):
    def check(status, words, *arguments):
        got, _, err = type_in(*arguments)
        last = err.strip().splitlines()[-1]
        assert got == status, err
        assert "Traceback" not in err
        assert re.search(words, last), last

    return check


def test_the_article_s_plan_is_715_884_images(kanatui):
    shown = kanatui("generate", "--recipe", "article", "--dry-run", check=0).stdout
    assert "169 characters × 4,236 = 715,884 images of 256×256 px" in shown
    assert "46.9 GB" in shown
    assert not paths.datasets().exists()


def test_a_plan_says_what_a_face_cannot_draw(type_in):
    status, shown, _ = type_in(
        "generate", "quick", "--faces", "kiloji-regular,klee-regular", "-c", "あ,U+3094", "--dry-run"
    )
    assert status == 0
    assert "1 glyph that a face cannot draw (kiloji-regular lacks ゔ)" in shown


def test_generate_writes_what_it_says_and_lists_it(type_in):
    status, shown, _ = type_in("generate", *SMALL, "--name", "mine")
    assert status == 0 and "3 characters × 5 = 15 images of 32×32 px" in shown
    dataset = open_dataset(paths.datasets() / "mine")
    assert len(dataset) == 15 and dataset.characters == "あいう"
    assert json.loads(type_in("datasets", "--json")[1])[0] | {"share": 1.0} == {
        "name": "mine", "state": "complete", "reason": "", "share": 1.0,
        "images": 15, "image_size": 32, "characters": 3,
    }  # fmt: skip
    assert "mine" in type_in("datasets")[1]
    assert type_in("datasets", "--delete", "mine", "--yes")[0] == 0
    assert not (paths.datasets() / "mine").exists()


def test_overrides_change_the_recipe(type_in):
    _, shown, _ = type_in(
        "recipes", "show", "quick", "--set", "rotate.degrees=-3..3", "--without", "elastic", "--with", "noise",
        "--image-size", "40", "--seed", "5", "--json",
    )  # fmt: skip
    recipe = json.loads(shown)
    steps = {step["plugin"]: step for step in recipe["augment"]}
    assert steps["rotate"]["degrees"] == [-3, 3]
    assert "elastic" not in steps and "noise" in steps
    assert recipe["image_size"] == 40 and recipe["seed"] == 5


def test_a_changed_recipe_can_be_kept_and_used(type_in):
    assert type_in("recipes", "save", "own", "-r", "quick", "--seed", "9")[0] == 0
    assert json.loads(type_in("recipes", "show", "own", "--json")[1])["seed"] == 9
    assert "own" in type_in("recipes")[1]


def test_preview_shows_glyphs_and_writes_a_sheet(type_in, tmp_path):
    status, shown, _ = type_in("preview", *SMALL, "--count", "3", "--ascii")
    assert status == 0
    assert max(map(len, shown.splitlines())) == 3 * 20 + 2
    assert sum(character in "#%@*" for character in shown) > 20
    status, shown, _ = type_in("preview", *SMALL, "--count", "3", "--pictures", "sextants")
    assert status == 0
    assert any("\U0001fb00" <= character <= "\U0001fb3b" for character in shown)
    status, _, error = type_in("preview", *SMALL, "--pictures", "sixels")
    assert status == 2
    assert "--pictures 'sixels': there are auto, kitty, iterm, sixel, octants" in error
    assert type_in("preview", *SMALL, "--count", "4", "--png", tmp_path / "sheet.png")[0] == 0
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (65, 65) and sheet.max() > 200


@pytest.mark.parametrize(
    ("status", "words", "arguments"),
    [
        (2, "unknown recipe 'artikle'.*did you mean article", ["generate", "artikle"]),
        (2, "no augmentation 'wobble'", ["generate", "quick", "--without", "wobble"]),
        (2, "--with: unknown augmentation 'wobble'", ["generate", "quick", "--with", "wobble"]),
        (2, "rotate.speed: no such parameter", ["generate", "quick", "--set", "rotate.speed=1"]),
        (2, "degrees: -99 is below the minimum, -45", ["generate", "quick", "--set", "rotate.degrees=-99..0"]),
        (2, "--set rotate: not of the form", ["generate", "quick", "--set", "rotate"]),
        (2, "--image-size: 7 is below the minimum, 16", ["generate", "quick", "--image-size", "7"]),
        (2, "--characters 'U", ["generate", "quick", "-c", "U+3040-U+30"]),
        (2, "runs backwards", ["generate", "quick", "-c", "U+30FF-U+3041"]),
        (2, "no face matches 'klee-regulr'.*did you mean", ["preview", "quick", "--faces", "klee-regulr"]),
        (2, "not a plain name", ["generate", "quick", "--name", "../up"]),
        (2, "give the recipe once", ["generate", "quick", "--recipe", "quick"]),
        (2, "No such command", ["generrate"]),
        (1, "no data set 'nope'", ["datasets", "--stop", "nope"]),
        (1, "no such folder", ["--plugins-dir", "/nowhere", "plugins"]),
    ],
)  # fmt: skip
def test_wrong_words_are_one_line(refused, status, words, arguments):
    plugins.reload()
    refused(status, words, *arguments)
    plugins.reload()


def test_a_broken_recipe_file_is_named_with_line_and_column(refused, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('mode = "random"\nseed = = 3\n')
    refused(1, r"mine.toml: not valid TOML: .*line 2, column 8", "generate", path)
    path.write_text('mode = "random"\nimages_per_character = 5\n[[augment]]\nplugin = "rotate"\ndegrees = [0, 99]\n')
    refused(1, r"recipe mine: rotate.degrees: 99 is above the maximum, 45", "generate", path)
    refused(1, r"absent.toml: cannot be read", "generate", tmp_path / "absent.toml")


def test_no_usable_font_says_how_to_get_one(kanatui, one_line_error, tmp_path):
    result = kanatui("generate", *SMALL, env={"KANATUI_FONT_PATH": str(tmp_path)})
    one_line_error(result, 1, "apt-get install", "fonts-klee")


def test_a_missing_imagemagick_says_how_to_get_it(kanatui, one_line_error, tmp_path):
    environment = {"PATH": str(tmp_path), "KANATUI_IMAGEMAGICK": "magick"}
    one_line_error(kanatui("generate", *SMALL, env=environment), 1, "apt-get install -y imagemagick")


def test_a_stand_in_for_imagemagick_is_named(kanatui, one_line_error, tmp_path):
    program = tmp_path / "convert"
    program.write_text("#!/bin/sh\necho 'convert: units of measure'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environment = {"KANATUI_IMAGEMAGICK": str(program)}
    one_line_error(kanatui("generate", *SMALL, env=environment), 1, str(program), "not ImageMagick")


def test_a_home_that_cannot_be_written_is_named(kanatui, one_line_error, tmp_path):
    (tmp_path / "file").write_text("precious")
    result = kanatui("generate", *SMALL, env={"KANATUI_HOME": str(tmp_path / "file" / "home")})
    one_line_error(result, 1, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "precious"


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_said_in_one_line(kanatui, one_line_error, tiny_disk, share_cache):
    share_cache(tiny_disk)
    (tiny_disk / "ballast").write_bytes(b"x" * (2 * 2**20 - 30_000))
    result = kanatui("generate", *SMALL, env={"KANATUI_HOME": str(tiny_disk)})
    one_line_error(result, 1, str(tiny_disk))
    assert (tiny_disk / "ballast").stat().st_size == 2 * 2**20 - 30_000
    big = kanatui("generate", *SMALL, "-n", "5000", "--name", "big", env={"KANATUI_HOME": str(tiny_disk)})
    one_line_error(big, 1, "are free", "make room", "KANATUI_HOME")
    assert not (tiny_disk / "datasets" / "big").exists()


def test_a_traceback_is_shown_on_request_only(type_in):
    assert "Traceback" in type_in("--debug", "generate", "artikle")[2]


def test_a_defect_of_our_own_is_one_line_too(type_in, monkeypatch):
    monkeypatch.setattr(imagemagick, "find", lambda: 1 / 0)
    status, _, err = type_in("generate", *SMALL)
    assert status == 1 and err.strip().splitlines()[-1].startswith("kanatui: internal error: ZeroDivisionError")


@pytest.fixture
def states(type_in):
    """What `datasets` says of each data set: its state by name."""
    return lambda: {entry["name"]: entry["state"] for entry in json.loads(type_in("datasets", "--json")[1])}


def test_a_detached_generation_is_listed_stopped_and_resumed(kanatui, type_in, states):
    slow = (*SMALL[:-1], "3000", "--image-size", "256", "--name", "long", "--workers", "1")
    shown = kanatui("generate", *slow, "--detach", check=0).stdout
    folder = paths.datasets() / "long"
    process = int(re.search(r"process (\d+)", shown)[1])
    assert states()["long"] in ("starting", "writing")
    assert generation.process_of("long") == process
    wait_until(lambda: (folder / "shard-00000.npy").exists())
    assert states()["long"] == "writing"
    assert writer_of(folder) == process
    assert type_in("datasets", "--delete", "long", "--yes")[0] == 1
    assert type_in("datasets", "--stop", "long")[0] == 0
    wait_until(lambda: states()["long"] == "stopped")
    assert "continue with: kanatui generate --resume --name long" in (folder / "generate.log").read_text()
    made = {path.name: path.read_bytes()[:4096] for path in folder.glob("shard-*.npy")}
    process = subprocess.Popen([sys.executable, "-m", "kanatui", "generate", "--resume", "--name", "long"],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    wait_until(lambda: len(list(folder.glob("shard-*.npy"))) > len(made))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == cli.INTERRUPTED
    assert "shards finished; continue with: kanatui generate --resume --name long" in err
    assert all((folder / name).read_bytes()[:4096] == content for name, content in made.items())


def test_what_is_detached_is_what_was_asked_for_even_if_it_is_stopped_at_its_start(kanatui, type_in, states):
    changes = ("--set", "rotate.degrees=-3..3", "--without", "elastic", "--seed", "9", "--workers", "1")
    kanatui("generate", *SMALL, *changes, "--name", "mine", "--detach", check=0)
    assert states()["mine"] in ("starting", "writing", "complete")
    type_in("datasets", "--stop", "mine")  # it starts for seconds yet, but if it should have ended, so be it
    wait_until(lambda: states()["mine"] in ("stopped", "complete"))
    kanatui("generate", "--resume", "--name", "mine", "--detach", check=0)
    wait_until(lambda: states()["mine"] == "complete")
    recipe = read_recipe(paths.datasets() / "mine" / "recipe.toml")
    steps = {step.plugin: step.values for step in recipe.augments}
    assert (recipe.seed, recipe.characters, recipe.faces) == (9, "あいう", ("klee-regular",))
    assert steps["rotate"]["degrees"] == [-3, 3] and "elastic" not in steps
    assert type_in("generate", *SMALL, *changes, "--name", "direct")[0] == 0
    mine, direct = (open_dataset(paths.datasets() / name) for name in ("mine", "direct"))
    assert np.array_equal(mine.images(np.arange(15)), direct.images(np.arange(15)))


@pytest.mark.parametrize("name", ["a/b", ".a", "-a", " a"])
def test_recipes_and_data_sets_have_names_by_one_rule(refused, name):
    message = "not a plain name: no slashes, no dot or hyphen in front, no spaces at either end"
    refused(2, message, "recipes", "save", "-r", "quick", "--", name)
    refused(2, message, "generate", *SMALL, f"--name={name}")


def test_help_of_every_command_is_there(type_in):
    for name in cli.group.commands:
        status, shown, _ = type_in(name, "--help")
        assert status == 0 and shown.startswith("Usage: kanatui")
        assert len(shown.splitlines()) >= 5


def test_output_into_a_closed_pipe_is_no_error():
    shown = subprocess.run(
        f"{sys.executable} -m kanatui plugins | head -1", shell=True, capture_output=True, text=True, env=os.environ
    )
    assert shown.stderr == "" and shown.stdout.startswith("id")
