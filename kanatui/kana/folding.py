"""Folds look-alikes: characters that cannot be told apart by shape count as one.

Small kana differ from normal ones only in size and position, and four hiragana look like their katakana
(:data:`kanatui.kana.alphabet.FOLD`). A folded probability is the sum over such a group; a character that is not kana is
a group of its own.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from kanatui.kana.alphabet import FOLD


def fold_groups(characters: str) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Group characters by shape.

    Returns:
        The groups, each as the string of its members, in order of first appearance; and int64 [C], the group of each
        character, read-only.
    """
    groups, index = _grouped(characters)
    return list(groups), index


@functools.lru_cache(maxsize=8)  # called for every picture when files are read
def _grouped(characters: str) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    members: dict[str, str] = {}
    for character in characters:
        key = FOLD.get(character, character)
        members[key] = members.get(key, "") + character
    place = {key: number for number, key in enumerate(members)}
    index = np.array([place[FOLD.get(character, character)] for character in characters], dtype=np.int64)
    index.flags.writeable = False
    return tuple(members.values()), index


@functools.lru_cache(maxsize=8)
def fold_matrix(characters: str) -> npt.NDArray[np.float32]:
    """Return float32 [C, G], 1 where a character belongs to a group: ``probabilities @ fold_matrix`` folds.

    It is cached and read-only.
    """
    groups, index = fold_groups(characters)
    matrix = np.eye(len(groups), dtype=np.float32)[index]
    matrix.flags.writeable = False
    return matrix


def fold_probabilities(probabilities: npt.NDArray[np.floating], characters: str) -> npt.NDArray[np.float32]:
    """Sum probabilities [N, C] over each group of look-alikes: float32 [N, G]."""
    return np.asarray(probabilities, dtype=np.float32) @ fold_matrix(characters)
