"""Folders of PNG files: as the article names them, and as ImageFolder readers expect them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kanatui.core import storage
from kanatui.dataset.formats.parts import ALL, Parts


def write_article(parts: Parts, folder: Path) -> None:
    """Write `images/12354_あ/あ_1.png` and `index.yml`, the names that the article's own scripts write and read.

    Characters have their decimal code point, images are counted from 1 in the order of the article's loops, and the
    index has what the article's program reads of it: the number of images of a character, and each character with its
    code. From github.com/tfull/character_recognition.
    """
    source = parts.source

    def name(part: str, label: int, number: int) -> str:
        character = source.characters[label]
        return f"images/{ord(character)}_{character}/{character}_{number + 1}.png"

    _write_tree(parts, folder, name)
    # JSON is YAML, too.
    characters = [{"code": ord(character), "character": character} for character in source.characters]
    storage.write_json(folder / "index.yml", {"number": int(source.counts.max()), "characters": characters})


def write_imagefolder(parts: Parts, folder: Path) -> None:
    """Write `train/U+3042/000017.png`: a folder for each part, and in it one for each character.

    Readers number the characters by their folders' names, in alphabetical order, which here is that of their code
    points. The names are ASCII, because some file systems and archives store が as two characters.
    """

    def name(part: str, label: int, number: int) -> str:
        own = f"U+{ord(parts.source.characters[label]):04X}/{number:06d}.png"
        return own if part == ALL else f"{part}/{own}"

    _write_tree(parts, folder, name)


def _write_tree(parts: Parts, folder: Path, name: Callable[[str, int, int], str]) -> None:
    """Write each image to where ``name`` says, by its part, label and number."""
    made: set[Path] = set()
    for part in parts.indices:
        for batch in parts.batches(part):
            for label, number, data in zip(batch.labels.tolist(), batch.numbers.tolist(), batch.pngs(), strict=True):
                path = folder / name(part, label, number)
                if path.parent not in made:
                    made.add(storage.make_folder(path.parent))
                path.write_bytes(data)
