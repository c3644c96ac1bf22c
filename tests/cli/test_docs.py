"""The documents name files, headings and commands that exist; generated ones are current."""

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest

from kanatui.cli import group
from kanatui.dataset.recipe import Outliers, Recipe, recipe_files
from kanatui.tui.host import TABS

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_PATH = re.compile(r"`((?:kanatui|plugins|tests|docs|\.ci)/[\w./-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document):
    named = set(_PATH.findall(document.read_text(encoding="utf-8")))
    placeholders = {name for name in named if re.search(r"[A-Z]{4,}.*\.py$", name)}
    assert not [name for name in sorted(named - placeholders) if not (ROOT / name).exists()]


def test_every_room_has_its_paragraph():
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in (ROOT / "kanatui").glob("*/__init__.py")]
    assert not [room for room in rooms if f"\n**{room}** " not in text]


def anchors(document):
    """The headings of a page as GitHub turns them into anchors."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"\w+://", target):
            path, _, heading = target.partition("#")
            page = document.parent / path if path else document
            assert page.exists(), target
            assert not heading or heading in anchors(page), target


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    assert not [page for page in pages if f"({page}" not in index]


def blocks(document):
    """The command lines of a page's code blocks, continued lines joined."""
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.name != "CLI.md"], ids=lambda path: path.name)
def test_every_command_line_of_a_page_can_be_parsed(document):
    lines = [line for line in blocks(document) if re.match(r"(\.venv/bin/)?kanatui( |$)", line)]
    for line in lines:
        words = shlex.split(re.sub(r"\|(?=[A-Z])", "/", line), comments=True)[1:]
        if words[:1] == ["--plugins-dir"]:
            words = words[2:]
        found, context = group, click.Context(group)
        while isinstance(found, click.Group) and words and words[0] in found.commands:
            found = found.commands[words.pop(0)]
            context = click.Context(found, parent=context, info_name=found.name)
        *_, unknown = found.make_parser(context).parse_args(words)
        assert not [word for word in words if word.startswith("--") and word in unknown], line
        assert found is not group or not words, line


def test_the_readme_is_short_shows_each_screen_and_has_the_lines_of_setup_and_tests():
    assert len(README.splitlines()) < 220
    for mode in TABS:
        assert f"docs/screens/{mode}.svg" in README
    assert "\nbash .ci/setup && .venv/bin/kanatui quickstart\n" in README
    tests = "bash .ci/setup dev && .venv/bin/pytest"
    assert {"setup", "run", "test"} <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert f"\n{tests}\n" in README and f"\n{tests}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_page_of_recipes_has_every_recipe_and_every_key():
    text = (ROOT / "docs" / "RECIPES.md").read_text(encoding="utf-8")
    for name in [*Recipe.parameters(), *Outliers.parameters(), *recipe_files()]:
        assert f"| `{name}` |" in text, name


def script(name):
    """A script of docs/, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_up_to_date():
    written = script("make_cli").document()
    assert (ROOT / "docs" / "CLI.md").read_text(encoding="utf-8") == written, "run python docs/make_cli.py"


def test_the_table_of_results_is_of_the_committed_run():
    results = script("make_results")
    run, (file,) = results.committed(), results.RUNS.glob("*.json")
    assert run["command"].startswith("kanatui bench all --images ") and file.name == results.file_name(run)
    assert {"processor", "cores", "memory", "system", "versions", "load"} <= set(run["machine"])
    assert not re.search(r"(?<![\w.])/\w+/", file.read_text(encoding="utf-8")), "a path of the machine"
    lacking = {command for command, *_ in results.ROWS} - set(results.measured(run))
    assert set(results.EARLIER) == lacking, "take what was measured again out of EARLIER"
    assert results.document(run) == README, "run python docs/make_results.py"


def test_a_table_of_results_says_what_its_run_says():
    results = script("make_results")
    figures = [
        {"bench": "render", "name": "placed, 64 px", "value": 56_712.3, "samples": [1.0, 2.0], "note": ""},
        {"bench": "render", "name": "placed / the article's way", "value": 9.996, "samples": [], "note": ""},
        {"bench": "train", "name": "empty directory to 71.4 % strict", "value": 99.0, "note": "not reached in 2 min"},
        {"bench": "evaluate", "name": "strict", "value": 94.05, "note": "1,950 pictures"},
    ]
    found = results.measured({"figures": figures})
    assert found == {
        "kanatui bench render": ("56,700 images/s, 10.0 times as fast as one `convert` for each", "2 rounds")
    }
    assert [results.significant(value, 2) for value in (0.784, 0.0996, 0, 28.4, 1234)] == [
        "0.78", "0.10", "0", "28", "1,200",
    ]  # fmt: skip


def test_the_newest_version_of_the_changelog_is_this_one():
    from kanatui.core.version import __version__

    versions = re.findall(r"^## (\S+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == __version__
