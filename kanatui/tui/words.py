"""Puts messages that are written for the command line into the app's words: its fields, screens and keys."""

from __future__ import annotations

import re

from kanatui.core.errors import KanatuiError

_COMMANDS = (
    (r"kanatui generate --resume \S+ (completes|makes)", r"R on it under Dataset, Data sets \1"),
    (r"kanatui generate --resume (?:--name )?[^;,)]*\S completes", "R on it under Dataset, Data sets completes"),
    (r"(?:continue|complete it) with(?:: kanatui generate)? --resume(?: --name \S+)?", "continue with R"),
    (r"generate it under another --name", "generate it under another name"),
    (r"kanatui generate(?= makes)", "g under Dataset"),
    (r"kanatui datasets --stop \S+(?=\))", "c under Dataset"),
    (r"kanatui datasets", "Data sets under Dataset"),
    (r"`?kanatui fonts`?", "Faces under Dataset"),
    (r"kanatui (?:quickstart or kanatui )?train(?= (?:makes|starts))", "n under Train"),
    (r"make one with kanatui quickstart or kanatui train", "make one with n under Train"),
    (r"kanatui stop \d+", "s under Train"),
    (r"kanatui runs(?= lists)", "Train"),
    (r"kanatui adapt collects samples again", "A under Draw, Samples collects samples again"),
    (r"not trusted yet, or changed since: kanatui plugins trust", "not trusted yet, or changed since; a under Dataset,"
     " Augmentations asks about"),
    (r"kanatui plugins (?:trust|--failed)", "a under Dataset, Augmentations"),
    (r"use (?:pictures \()?--images DIR\)?", "choose a folder of pictures"),
    (r"no --held-out-faces to read", "no held-out faces to read"),
    (r"; leave --device out to use what is available", "; choose auto to use what is available"),
)  # fmt: skip
"""Commands in messages, as patterns, and what does the same in the app."""

_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")


def in_the_app(message: KanatuiError | str) -> str:
    """Return a message with the app's fields and keys for its commands and options: ``--batch-size``, batch size."""
    text = str(message)
    for pattern, words in _COMMANDS:
        text = re.sub(pattern, words, text)
    return _OPTION.sub(lambda option: option[1].replace("-", " "), text)
