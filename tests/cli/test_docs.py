"""The documents name files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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
