"""The guide docs/PLUGINS.md: its examples keep the rules, and its reference says what the code says."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import kanatui
from kanatui.core.params import Parameter
from kanatui.core.rng import Keys
from kanatui.plugins import hookspecs
from kanatui.plugins.registry import load_alone
from kanatui.plugins.table import PLACED
from kanatui.testing import check_file
from tests.helpers.tiny import TinySource

GUIDE = (Path(__file__).parent.parent.parent / "docs" / "PLUGINS.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
REFERENCE = GUIDE[GUIDE.index("## Reference") :]
ROWS = re.findall(r"^\| `([\w.]+)\((.*?)\)` \|", REFERENCE, re.MULTILINE)
BASES = ("Placement", "Pixel", "Model", "GlyphSource", "Observer")


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.splitlines()[0][3:30])
def test_every_example_keeps_the_rules(text, tmp_path):
    path = tmp_path / "example.py"
    path.write_text(text, encoding="utf-8")
    findings = list(check_file(path))
    assert [finding for finding in findings if not finding.ok] == []
    assert findings


def test_there_is_an_example_of_each_base_and_of_each_hook_that_returns_classes():
    together = "".join(EXAMPLES)
    for base in BASES:
        assert f"({base}):" in together, base
    for hook in (
        "augmentations",
        "models",
        "glyph_sources",
        "observers",
        "metrics",
        "commands",
        "exporters",
        "importers",
    ):
        assert f"def kanatui_{hook}(" in together, hook


def test_the_example_of_formats_writes_and_reads_a_data_set(tmp_path):
    path, labels, text = tmp_path / "example.py", tmp_path / "labels.txt", tmp_path / "text.txt"
    path.write_text(next(text for text in EXAMPLES if "def kanatui_exporters" in text), encoding="utf-8")
    registry, _ = load_alone(path)
    registry.exporters["labels"].export(TinySource(counts=2, characters="かが"), labels, {})
    assert labels.read_text(encoding="utf-8").splitlines() == ["0\tか", "1\tか", "2\tが", "3\tが"]
    text.write_text("かが\n", encoding="utf-8")
    assert [(image.shape, character) for image, character in registry.importers["bars"].read(text, {})] == [
        ((32, 32), "か"),
        ((32, 32), "が"),
    ]


def _object(name):
    owner, _, method = name.partition(".")
    return getattr(Keys if owner == "Keys" else getattr(kanatui, owner), method)


def _takes(function):
    """Parameters without self and types, as the reference writes them."""
    marks = {inspect.Parameter.VAR_KEYWORD: "**"}
    return ", ".join(
        marks.get(p.kind, "") + p.name + ("" if p.default is p.empty else f"={p.default!r}")
        for name, p in inspect.signature(function).parameters.items()
        if name != "self"
    )


@pytest.mark.parametrize(("name", "takes"), ROWS, ids=[name for name, _ in ROWS])
def test_every_signature_of_the_reference_is_the_codes(name, takes):
    function = getattr(hookspecs, name) if name.startswith("kanatui_") else _object(name)
    assert takes == _takes(function)
    assert inspect.getdoc(function)


def test_the_reference_has_every_hook_every_method_of_a_base_every_column_and_every_parameter():
    named = {name for name, _ in ROWS}
    assert {name for name in vars(hookspecs) if name.startswith("kanatui_")} <= named
    for base in (*BASES, "Exporter", "Importer"):
        own = vars(getattr(kanatui, base))
        methods = {f"{base}.{name}" for name, value in own.items() if inspect.isfunction(value) and name[0] != "_"}
        assert methods <= named
    assert {f"Keys.{name}" for name in ("uniform", "normal", "integers")} <= named
    for column in PLACED:
        assert f"`{column}`" in REFERENCE
    for data in (kanatui.Face, kanatui.Masters, kanatui.Metric):
        assert f"`{data.__name__}({', '.join(field.name for field in dataclasses.fields(data))})`" in REFERENCE
    kinds = [each for each in vars(kanatui).values() if isinstance(each, type) and issubclass(each, Parameter)]
    for parameter in kinds:
        assert f"`{parameter.__name__}(" in GUIDE or f" `{parameter.__name__}(" in GUIDE, parameter


def test_every_kind_of_event_is_named():
    from kanatui.training import events

    table = re.findall(r"^([a-z ]+?)  +\S", events.__doc__, re.MULTILINE)
    kinds = {kind for row in table for kind in row.split()}
    assert {"start", "validation", "paused", "resumed", "end"} <= kinds
    for kind in kinds:
        assert kind in GUIDE, kind
