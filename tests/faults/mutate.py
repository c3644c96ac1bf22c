"""Damages files, as a disk, a killed process or a stranger might."""

import copy
import json

import tomlkit

OTHERS = (
    None, True, -1, 0, 3, 1.5, 1e400, float("nan"), 10**30, "", "あ", "\ud800", "x" * 5000, "\x1b]0;no\x07",
    "../../elsewhere", [], [1], {}, {"a": []},
)  # fmt: skip
"""What may stand where something else is expected."""


def places(value, path=()):
    """Return the paths of everything in plain data."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value, rng):
    """Return plain data with one to three values replaced, removed or added."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        *way, last = rng.choice([path for path in places(value) if path] or [("",)])
        inner = value
        for step in way:
            inner = inner[step]
        if rng.random() < 0.25 and isinstance(inner, dict):
            inner.pop(last, None)
        else:
            inner[last] = copy.deepcopy(rng.choice(OTHERS))
    return value


def damaged(data, rng):
    """Return bytes that are cut off, or of which some are changed, inserted or repeated."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        place = rng.randrange(len(found) or 1)
        match rng.randrange(4):
            case 0:
                del found[place:]
            case 1:
                found[place : place + 1] = bytes([rng.randrange(256)])
            case 2:
                found[place:place] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
            case 3:
                found[place:place] = found[place : place + rng.randint(1, 64)]
    return bytes(found)


def json_of(data, rng):
    """Return JSON of changed data, or damaged bytes of it."""
    if rng.random() < 0.7:
        return json.dumps(changed(data, rng)).encode()
    return damaged(json.dumps(data).encode(), rng)


def json_lines_of(data, rng):
    """Return lines of JSON, of which some are damaged."""
    return b"\n".join(json_of(line, rng) if rng.random() < 0.4 else json.dumps(line).encode() for line in data) + b"\n"


def toml_of(data, rng):
    """Return TOML of changed data where TOML can express it, or damaged bytes of it."""
    if rng.random() < 0.7:
        try:
            return tomlkit.dumps(changed(data, rng)).encode()
        except (ValueError, TypeError, AttributeError, UnicodeEncodeError):
            pass
    return damaged(tomlkit.dumps(data).encode(), rng)
