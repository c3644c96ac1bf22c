"""Texts for people keep to the words of docs/GLOSSARY.md."""

import ast
import re
from pathlib import Path

import click
import pytest

from kanatui.cli import group

ROOT = Path(__file__).parent.parent
GLOSSARY = (ROOT / "docs" / "GLOSSARY.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.split("|")[1:4]] for line in re.findall(r"^\| [a-z].*\|$", GLOSSARY, re.MULTILINE)
]
TERMS = [row for row in ROWS if row[0] != "term"]
UNUSED = re.search(r"not used at all: (.*)\.$", GLOSSARY, re.MULTILINE)[1].split(", ")
BANNED = [word for _, _, words in TERMS for word in words.split(", ") if word]
PATTERN = re.compile(rf"\b({'|'.join(map(re.escape, [*BANNED, *UNUSED]))})s?\b", re.IGNORECASE)

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = sorted([*(ROOT / "kanatui").rglob("*.py"), *(ROOT / "plugins").glob("*.py")])


def found(text):
    return sorted({match[0].lower() for match in PATTERN.finditer(text)})


def prose(markdown):
    """A page without code, tables' words included."""
    return re.sub(r"```.*?```|`[^`]*`", " ", markdown, flags=re.DOTALL)


def texts(tree):
    """Strings of several words that are no docstrings: messages, labels, help."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings and " " in str(node.value).strip():
            yield node.lineno, str(node.value)


def helps(command, path):
    context = click.Context(command, info_name=path)
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from helps(inner, f"{path} {name}")


def test_the_glossary_is_short_and_has_words_to_look_for():
    assert 10 <= len(TERMS) <= 20 and len(BANNED) > 10 and len(UNUSED) > 5
    assert found("a typeface, Confident and anew") == ["anew", "confident", "typeface"]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "GLOSSARY.md"], ids=lambda page: page.name)
def test_pages_keep_to_the_glossary(page):
    assert not found(prose(page.read_text(encoding="utf-8")))


def test_help_keeps_to_the_glossary():
    wrong = {path: words for path, text in helps(group, "kanatui") if (words := found(text))}
    assert not wrong


def test_messages_and_labels_keep_to_the_glossary():
    wrong = [
        f"{source.relative_to(ROOT)}:{line}: {', '.join(words)}"
        for source in SOURCES
        for line, text in texts(ast.parse(source.read_text(encoding="utf-8")))
        if (words := found(text))
    ]
    assert not wrong


def test_comments_and_docstrings_use_no_word_that_is_not_used_at_all():
    pattern = re.compile(rf"\b({'|'.join(UNUSED)})\b")
    wrong = [f"{source.relative_to(ROOT)}: {match[0]}" for source in SOURCES
             for match in pattern.finditer(source.read_text(encoding="utf-8"))]  # fmt: skip
    assert not wrong
