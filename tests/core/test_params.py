import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanatui.core.errors import ParameterError
from kanatui.core.params import Bool, Choice, Configurable, Float, Int, Numbers, Range, Text, Words


class Everything(Configurable):
    id = "everything"
    count = Int(3, min=0, max=10)
    ratio = Float(0.5, min=0.0, max=1.0)
    on = Bool(True)
    how = Choice("fast", choices=("fast", "slow"))
    span = Range((-1.0, 1.0), min=-5.0, max=5.0)
    steps = Numbers((1.0, 2.0), min=0.0, max=100.0)
    note = Text("")
    words = Words(("a",))


def test_defaults_and_values():
    thing = Everything(count=4, span=[0, 2])
    assert (thing.count, thing.ratio, thing.span) == (4, 0.5, (0.0, 2.0))
    assert Everything.count.max == 10
    assert thing == Everything(count=4, span=(0.0, 2.0))
    assert thing != Everything()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("count", 11, "above the maximum, 10"),
        ("count", 1.5, "whole number"),
        ("count", True, "not a number"),
        ("ratio", -0.1, "below the minimum, 0"),
        ("ratio", math.nan, "not a number"),
        ("on", 1, "true nor false"),
        ("how", "medium", "fast, slow"),
        ("span", [2, 1], "above high"),
        ("span", [1, 2, 3], "pair"),
        ("span", "wide", "not a number"),
        ("steps", [], "list of numbers"),
        ("steps", [101], "above the maximum, 100"),
        ("note", "two\nlines", "line of text"),
        ("words", "one", "list of words"),
    ],
)
def test_wrong_values_name_the_parameter(name, value, words):
    with pytest.raises(ParameterError, match=f"everything.{name}: .*{words}"):
        Everything(**{name: value})


@pytest.mark.parametrize(
    ("ends", "words"),
    [((16, 512), "16 to 512"), ((0, 2**53), "0 to 9,007,199,254,740,992"), ((0.001, None), "from 0.001")],
)
def test_the_ends_of_a_range_are_told_in_full(ends, words):
    assert Float(1.0, min=ends[0], max=ends[1]).allowed() == words


def test_unknown_parameters_say_what_there_is():
    with pytest.raises(ParameterError, match="everything.colour: no such parameter .*count, ratio"):
        Everything(colour=1)
    with pytest.raises(ParameterError, match="everything.colour"):
        Everything.parse("colour", "1")


def test_typed_forms():
    assert Everything.parse("span", "-2..2") == (-2.0, 2.0)
    assert Everything.parse("span", "2") == (2.0, 2.0)
    assert Everything.parse("steps", "1,5,9") == (1.0, 5.0, 9.0)
    assert Everything.parse("steps", "10..20:5") == (10.0, 15.0, 20.0)
    assert Everything.parse("on", "no") is False
    assert Everything.parse("words", "a, b") == ("a", "b")
    for text in ("x..2", "1..2..3"):
        with pytest.raises(ParameterError, match="everything.span"):
            Everything.parse("span", text)


def test_descriptions_are_plain_data():
    described = Everything.count.describe()
    assert described == {"type": "int", "default": 3, "min": 0, "max": 10, "label": "count", "name": "count"}


@given(
    st.integers(0, 10),
    st.floats(0, 1),
    st.booleans(),
    st.sampled_from(["fast", "slow"]),
    st.tuples(st.integers(-5, 0), st.integers(0, 5)),
)
def test_format_and_parse_are_inverse(count, ratio, on, how, span):
    thing = Everything(count=count, ratio=round(ratio, 4), on=on, how=how, span=span)
    texts = {name: parameter.format(getattr(thing, name)) for name, parameter in Everything.parameters().items()}
    assert Everything(**{name: Everything.parse(name, text) for name, text in texts.items()}) == thing
