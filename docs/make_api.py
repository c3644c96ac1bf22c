"""Writes docs/API.md from the docstrings of what `import kanatui` has for programs: `python docs/make_api.py`."""

import inspect
import re
from pathlib import Path

import kanatui

FILE = Path(__file__).parent / "API.md"
FUNCTIONS = ("load", "stream", "train", "evaluate", "runs")
CLASSES = ("Reader", "Read", "Glyphs")
INTRODUCTION = """\
# kanatui in programs of your own

Made by `docs/make_api.py` from docstrings. Everything here is in `kanatui` itself, with types; what plugins import is
in [PLUGINS.md](PLUGINS.md). Short scripts that use it are in [examples](examples). Errors derive from
`kanatui.core.errors.KanatuiError`; their text is one line that says what to do.
"""


def markdown(docstring):
    """Turn a docstring into Markdown: roles become code, and the sections' items a list."""
    text = re.sub(r":\w+:`[~.]*([^`]*)`", lambda match: f"`{match[1].rpartition('.')[2]}`", inspect.cleandoc(docstring))
    text = text.replace("``", "`")
    lines, section = [], ""
    for line in text.splitlines():
        if re.fullmatch(r"(Args|Returns|Raises):", line):
            section = line[:-1]
            lines += [f"**{section}**", ""]
        elif section and section != "Returns" and line.startswith("    ") and line[4] != " ":
            name, _, rest = line.strip().partition(": ")
            lines.append(f"- `{name}`: {rest}")
        else:
            lines.append(f"  {line.strip()}" if line.startswith("     ") else line.strip() if section else line)
    return "\n".join(lines).strip()


def signature(name, function):
    """Return the call as it is typed, without the types of what it returns."""
    parameters = [p.replace(annotation=p.empty) for p in inspect.signature(function).parameters.values()]
    shown = [p for p in parameters if p.name != "self"]
    return f"{name}{inspect.Signature(shown)}"


def attributes(cls):
    """Yield a class's documented properties and fields."""
    for name, value in vars(cls).items():
        if isinstance(value, property):
            yield name, value.__doc__
    source = inspect.getsource(cls)
    yield from re.findall(r'^    (\w+): [^\n]*\n    """(.*?)"""', source, re.MULTILINE | re.DOTALL)


def document():
    """Return the whole page."""
    parts = [INTRODUCTION]
    for name in FUNCTIONS:
        function = getattr(kanatui, name)
        parts.append(f"## `kanatui.{signature(name, function)}`\n\n{markdown(function.__doc__)}\n")
    for name in CLASSES:
        cls = getattr(kanatui, name)
        parts.append(f"## `kanatui.{name}`\n\n{markdown(cls.__doc__)}\n")
        fields = [f"- `{field}`: {markdown(text)}" for field, text in attributes(cls)]
        parts += ["\n".join(fields) + "\n"] if fields else []
        for method, function in vars(cls).items():
            public = not method.startswith("_") or method == "__getitem__"
            if inspect.isfunction(function) and public:
                parts.append(f"### `{signature(method, function)}`\n\n{markdown(function.__doc__)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
    print(f"wrote {FILE}")
