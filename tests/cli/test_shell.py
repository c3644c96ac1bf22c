"""Shell habits: completion, help with examples, defaults from a file and variables, quiet, verbose, --json."""

import importlib.metadata
import json
import shlex

import click
import pytest
from click.shell_completion import ShellComplete

from kanatui.cli import completion, examples, group
from kanatui.cli import run as run_command
from kanatui.core import paths
from kanatui.core.version import __version__
from kanatui.fonts import imagemagick

SMALL = ["quick", "-c", "あい", "--faces", "klee-regular", "--image-size", "32", "-n", "20"]


@pytest.fixture
def command(capsys):
    def run(*arguments, status=0):
        capsys.readouterr()
        ended = run_command([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        assert ended == status, shown
        return shown

    return run


def commands(command=group, path=""):
    if path:
        yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}".strip())


# ── versions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_version_names_torch_textual_and_imagemagick(command):
    first, second = command("--version").out.splitlines()
    assert first == f"kanatui {__version__}"
    assert f"torch {importlib.metadata.version('torch')}, Textual {importlib.metadata.version('textual')}" in second
    assert second.endswith(f"ImageMagick {imagemagick.find().version}")


def test_version_says_what_is_missing(command, monkeypatch, tmp_path):
    monkeypatch.setenv("KANATUI_IMAGEMAGICK", str(tmp_path / "convert"))
    assert command("--version").out.endswith("ImageMagick not found\n")
    (tmp_path / "convert").write_text("#!/bin/sh\necho another program\n")
    (tmp_path / "convert").chmod(0o755)
    assert command("--version").out.endswith("ImageMagick not found\n")


# ── help and examples ───────────────────────────────────────────────────────────────────────────────────────────────


def test_every_command_has_an_example():
    assert {path for path, _ in commands() if not path.startswith("bench ")} == set(examples.EXAMPLES)


@pytest.mark.parametrize("line", [line for lines in examples.EXAMPLES.values() for line in lines])
def test_an_example_is_a_command_line_that_can_be_parsed(line):
    words = shlex.split(line, comments=True)
    found, context = group, click.Context(group)
    while isinstance(found, click.Group) and words and words[0] in found.commands:
        found = found.commands[words.pop(0)]
        context = click.Context(found, parent=context, info_name=found.name)
    options, rest, _ = found.make_parser(context).parse_args(words)
    assert not [word for word in rest if word.startswith("--")]
    assert set(options) <= {parameter.name for parameter in found.params}


def test_help_shows_a_command_its_examples_and_what_exit_codes_mean(command):
    assert "kanatui runs plot 3 4 -o curves.svg" in command("help", "runs", "plot").out
    assert command("help", "train").out == command("train", "--help").out
    assert "Exit status: 0 if all went well" in " ".join(command("help").out.split())
    assert "no command 'runs draw'" in command("help", "runs", "draw", status=2).err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["recipes"], 0), (["attach", "nothing"], 1), (["train", "--epochs", "x"], 2), (["wobble"], 2)],
)
def test_exit_codes(arguments, status, command):
    command(*arguments, status=status)


# ── completion ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def completed(monkeypatch, home):
    for name in ("datasets/small/manifest.json", "runs/001-wide/config.toml", "runs/002-deep/config.toml"):
        (home / name).parent.mkdir(parents=True)
        (home / name).write_text('name = "wide"')
    monkeypatch.setenv(completion.VARIABLE, "bash_complete")

    def complete(line):
        *words, incomplete = line.split(" ")
        shell = ShellComplete(group, {}, "kanatui", completion.VARIABLE)
        return {item.value for item in shell.get_completions(words, incomplete)}

    return complete


@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        ("tra", {"train"}, {"runs"}),
        ("train --da", {"--data"}, set()),
        ("train --data sm", {"small"}, set()),
        ("train --resume ", {"latest", "001-wide", "002-deep"}, set()),
        ("train --model co", {"compact_cnn"}, {"article_cnn"}),
        ("runs diff 001-wide 0", {"001-wide", "002-deep"}, {"latest"}),
        ("attach 002", {"002-deep"}, {"001-wide"}),
        ("evaluate ", {"default", "001-wide"}, set()),
        ("recognize --model 00", {"001-wide"}, set()),
        ("preview qu", {"quick"}, {"article"}),
        ("preview --recipe ar", {"article"}, {"quick"}),
        ("preview --faces klee-regular,ki", {"klee-regular,kiloji-bold"}, {"kiloji-bold"}),
        ("preview --faces *,-style:g", {"*,-style:gothic"}, set()),
        ("preview --with no", {"noise"}, {"blur"}),
        ("preview --set rotate.", {"rotate.degrees=", "rotate.steps="}, {"noise.sigma="}),
        ("preview --characters hi", {"hiragana"}, {"katakana"}),
        ("datasets --delete ", {"small"}, set()),
        ("plugins check bl", {"blur"}, {"noise"}),
        ("completion ", {"bash", "zsh", "fish"}, set()),
    ],
)
def test_what_there_is_is_completed(line, wanted, unwanted, completed):
    found = completed(line)
    assert wanted <= found and not unwanted & found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_kanatui(shell, command):
    assert f"{completion.VARIABLE}={shell}_complete" in command("completion", shell).out


# ── defaults ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def options(home):
    def write(text):
        paths.config().mkdir(parents=True, exist_ok=True)
        (paths.config() / "options.toml").write_text(text)

    return write


def test_a_file_gives_defaults_that_the_command_line_overrules(options, command):
    options('[generate]\nimage-size = 40\ncharacters = "あ"\nfaces = "klee-regular"\nimages-per-character = 7')
    plan = json.loads(command("generate", "quick", "--dry-run", "--json").out)
    assert (plan["images"], plan["characters"], plan["faces"]) == (7, "あ", ["klee-regular"])
    plan = json.loads(command("generate", "quick", "-n", "3", "--dry-run", "--json").out)
    assert plan["images"] == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[generate]\nsize = 40", "generate.size: neither an option nor a command"),
        ("[generte]", "generte: neither"),
        ("[generate", "options.toml"),
        ('[generate]\nimage-size = "big"', "--image-size"),
    ],
)
def test_a_wrong_file_of_defaults_is_told_in_one_line(options, command, text, words):
    options(text)
    assert words in " ".join(command("generate", "quick", "--dry-run", status=2).err.split())


def test_variables_set_global_options(command, monkeypatch, home):
    assert "Traceback" not in command("attach", "nothing", status=1).err
    monkeypatch.setenv("KANATUI_DEBUG", "1")
    assert "Traceback" in command("attach", "nothing", status=1).err
    monkeypatch.setenv("KANATUI_VERBOSE", "1")
    told = command("runs").err
    assert str(home) in told.replace("\n", "") and "took" in told


# ── quiet, and JSON ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_quiet_prints_results_and_errors_only(command):
    shown = command("-q", "generate", *SMALL, "--name", "small")
    assert "wrote" in shown.out and not shown.err
    assert "small" in command("-q", "generate", *SMALL, "--name", "small", status=1).err
    assert "generating" in command("generate", *SMALL, "--name", "other").err


def test_json_stands_alone_on_standard_output(command, tmp_path):
    made = command("generate", *SMALL, "--name", "small", "--json")
    data = json.loads(made.out)
    assert (data["name"], data["images"], data["least"], data["most"]) == ("small", 40, 20, 20)
    assert data["bytes"] > data["written"] == 40 * 32 * 32 and "wrote" in made.err
    sheet = json.loads(command("preview", *SMALL, "--count", "4", "--png", tmp_path / "x.png", "--json").out)
    assert sheet["file"] == str(tmp_path / "x.png") and (tmp_path / "x.png").is_file()
    assert [set(glyph) >= {"index", "character", "face", "rotation"} for glyph in sheet["glyphs"]] == [True] * 4
    assert {glyph["character"] for glyph in sheet["glyphs"]} == {"あ", "い"}

    quick = ("--epochs", "1", "--batch-size", "8", "--model-set", "width=4", "--workers", "0", "--threads", "1")
    trained = command("train", "--data", "small", *quick, "--json")
    run = json.loads(trained.out)
    assert run["run"] == "001-small" and run["state"] == "finished" and run["step"] > 0 and "strict" in run["best"]
    assert "evaluate it" in trained.err
    assert json.loads(command("attach", "--json").out) == run
    for name in ("stop", "pause", "resume"):
        shown = command(name, "--json", status=1)
        assert not shown.out and "is not running (finished)" in shown.err
    assert "evaluate it" in command("attach").out


def test_a_default_budget_yields_to_the_other_one(options, command):
    command("generate", *SMALL, "--name", "small")
    options('[train]\nminutes = 60\nrecipe = "quick"\nmodel-set = ["width=4"]\nworkers = 0')
    run = json.loads(command("train", "--data", "small", "--epochs", "1", "--batch-size", "8", "--json").out)
    assert run["state"] == "finished"
