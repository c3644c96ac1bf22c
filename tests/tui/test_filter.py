"""Words that narrow a list: the line below it, and what they find."""

from pathlib import Path

import pytest
from textual import events
from textual.app import App
from textual.containers import Vertical
from textual.widgets import OptionList, Select

from kanatui.tui import app as shipped
from kanatui.tui.widgets.filter import Filterable, FilterLine, Terms, searchable
from kanatui.tui.widgets.picklist import NarrowingOverlay, PickList
from tests.helpers.app import screen_text, until


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("", ["し 12", "シ 3", "っ 1", "klee-regular handwriting"]),
        ("shi", ["し 12", "シ 3"]),
        ("si 12", ["し 12"]),
        ("xtsu", ["っ 1"]),
        ("し", ["し 12"]),
        ("ｼ", ["シ 3"]),
        ("HAND klee", ["klee-regular handwriting"]),
        ("klee bold", []),
    ],
)
def test_all_words_anywhere(words, lines):
    found = [
        line for line in ("し 12", "シ 3", "っ 1", "klee-regular handwriting") if Terms(words).match(searchable([line]))
    ]
    assert found == lines


def test_words_of_kana_are_found_by_their_letters():
    assert Terms("hiragana").match(searchable(["ひらがな"]))
    assert not Terms("ab").match(searchable(["a", "b"])), "a word is not found across two columns"


class Panel(Vertical, Filterable):
    def compose(self):
        yield OptionList("one", "two", "three")
        yield FilterLine()

    def on_filter_line_changed(self, event):
        words = [word for word in ("one", "two", "three") if event.terms.match(word)]
        self.query_one(OptionList).set_options(words)
        self.filter_line.count(len(words), 3)


class Listing(App):
    CSS_PATH = Path(shipped.__file__).with_name("kanatui.tcss")
    BINDINGS = [("t", "wrong"), ("e", "wrong")]  # noqa: RUF012
    wrong = 0

    def compose(self):
        yield Panel()
        yield PickList([(name, name) for name in ("alpha", "beta", "gamma")], value="alpha", allow_blank=False)

    def action_wrong(self):
        self.wrong += 1


def burst(app, *keys):
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else {"slash": "/"}.get(key)))


async def test_a_burst_is_typed_whole():
    app = Listing()
    async with app.run_test() as pilot:
        app.query_one(OptionList).focus()
        await pilot.pause()
        burst(app, "slash", "t", "e", "e", "backspace", "backspace", "h", "enter")
        await until(pilot, lambda: "1 of 3" in screen_text(app))
        listed = app.query_one(OptionList)
        assert listed.option_count == 1 and listed.has_focus and not app.wrong
        assert app.query_one(FilterLine).text == "th"
        await pilot.press("t")
        assert app.wrong == 1, "letters are keys again"
        await pilot.press("escape")
        await until(pilot, lambda: listed.option_count == 3)
        assert not app.query_one(FilterLine).display


async def test_a_choice_is_narrowed_by_typing():
    app = Listing()
    async with app.run_test() as pilot:
        select = app.query_one(PickList)
        select.focus()
        await pilot.press("enter")
        overlay = app.query_one(NarrowingOverlay)
        await until(pilot, lambda: overlay.has_focus)
        await pilot.press("slash", "t", "a")
        assert [str(option.prompt) for option in overlay.options] == ["beta"] and not app.wrong
        await pilot.press("escape")
        assert overlay.option_count == 3 and select.expanded, "escape shows all first"
        await pilot.press("g", "enter")
        await until(pilot, lambda: select.value == "gamma")
        assert overlay.option_count == 3
        select.set_options([("delta", "delta"), ("beta", "beta")])
        await pilot.press("enter", "b", "enter")
        await until(pilot, lambda: select.value == "beta")
        assert isinstance(select, Select)
