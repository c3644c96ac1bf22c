"""How the app looks: contrast in both themes, the focus without colour, room at 80×24."""

import functools
import itertools
import json
import re

import pytest
from rich.style import Style
from textual.color import Color
from textual.widgets import Select

from kanatui.tui.app import KanatuiApp
from kanatui.tui.settings import Settings
from kanatui.tui.terminal import Terminal, understood
from kanatui.tui.theme import DARK, FITTING, LIGHT, OURS, fitting
from tests.helpers import train_screen
from tests.helpers.app import make_app, until
from tests.helpers.dataset_screen import go
from tests.helpers.evaluated import evaluated_run

READABLE, DISABLED = 4.5, 3.0
"""WCAG 2.2, level AA, for normal text; text that is switched off is exempt there."""

TEXT = re.compile(r"[^\W_]")
SMALL = (80, 24)


def contrast(one, other):
    """The ratio of two colours' luminances, 1 … 21 (WCAG 2.2)."""

    def luminance(colour):
        parts = [part / 255 for part in (colour.r, colour.g, colour.b)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def weak(app):
    """The texts on the screen whose contrast is too low, each with its colours and their contrast."""
    disabled = Color.parse(app.current_theme.variables["text-disabled"])
    found = []
    for strip in app.screen._compositor.render_strips():  # Textual has no public way to them
        for segment in strip:
            style = segment.style or Style.null()
            if not TEXT.search(segment.text) or style.color is None or style.bgcolor is None:
                continue
            ink, paper = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
            ratio = contrast(ink, paper)
            if ratio < (DISABLED if ink.rgb == disabled.rgb else READABLE):
                found.append((segment.text.strip(), ink.hex, paper.hex, round(ratio, 2)))
    return sorted(set(found))


async def in_both_themes(app, pilot):
    """What cannot be read on this screen in either theme."""
    found = {}
    for theme in OURS:
        app.theme = theme.name
        await until(pilot, functools.partial(wears, app, theme))
        if bad := weak(app):
            found[theme.name] = bad
    return found


def wears(app, theme):
    return app.screen.styles.background.hex.lower() == theme.background


@pytest.mark.parametrize("theme", OURS, ids=lambda theme: theme.name)
def test_every_text_has_contrast_on_every_background(theme):
    colours = {name: Color.parse(value) for name, value in theme.to_color_system().generate().items() if "#" in value}
    colours |= {name: Color.parse(value) for name, value in theme.variables.items() if "#" in value}
    grounds = ("background", "surface", "panel", "block-cursor-background", "block-cursor-blurred-background")
    texts = [name for name in theme.variables if name.startswith("text")] + ["footer-key-foreground", "border"]
    for text, ground in itertools.product(texts, grounds):
        least = DISABLED if text == "text-disabled" else READABLE
        assert contrast(colours[text], colours[ground]) >= least, f"{text} on {ground}"


async def test_all_of_the_dataset_screen_can_be_read(open_app):
    async with open_app() as (pilot, screen):
        for tab in ("recipe", "faces", "steps", "datasets"):
            await go(pilot, tab)
            assert not await in_both_themes(screen.app, pilot)
        await pilot.press("question_mark")
        assert not await in_both_themes(screen.app, pilot)


async def test_all_of_the_train_screen_can_be_read():
    train_screen.recorded_run()
    train_screen.crashed_run()
    async with train_screen.opened() as (app, pilot):
        for keys in (["escape"], ["enter"], ["h"], ["a"], ["n"], ["escape", "d"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert not await in_both_themes(app, pilot)


async def test_all_of_the_evaluate_screen_can_be_read():
    run = evaluated_run()
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.evaluate_run(run.id)
        await until(pilot, lambda: app.current_mode == "evaluate" and app.screen.loaded)
        for key in "cmivr":
            await pilot.press(key)
            await pilot.pause()
            assert not await in_both_themes(app, pilot)


async def test_all_of_the_draw_screen_can_be_read():
    app = make_app("draw")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.current_mode == "draw" and app.screen.query("Canvas"))
        for keys in ([], ["escape", "s"], ["r"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert not await in_both_themes(app, pilot)


BOTH_SIZES = pytest.mark.parametrize(
    "size", [SMALL, pytest.param((120, 40), marks=pytest.mark.slow)], ids=["80x24", "120x40"]
)


# ── focus without colour ──────────────────────────────────────────────────────────────────────────────────────────────


def without_colour(strips, region):
    """What a part of the screen shows without colours: its text and its marks."""
    picture = []
    for strip in strips[region.y : region.bottom]:
        for segment in strip.crop(region.x, region.right):
            style = segment.style or Style.null()
            marks = (style.bold, style.reverse, style.underline, style.dim, style.italic)
            picture.append((segment.text, *map(bool, marks)))
    return picture


def part_of(widget):
    """A widget and the borders of the panes that it is in."""
    panes = [node for node in widget.ancestors_with_self if node.has_class("pane")]
    return panes[0].region if panes else widget.region


async def look_the_same(app, pilot):
    """The focusable widgets on the screen that look with the focus as they do when the next widget has it."""
    chain = [widget for widget in app.screen.focus_chain if widget.is_on_screen]
    assert len(chain) > 1
    screens = []
    for focused in [*chain, chain[0]]:
        focused.focus(scroll_visible=False)
        await until(pilot, lambda focused=focused: app.screen.focused is focused)
        screens.append(app.screen._compositor.render_strips())  # Textual has no public way to them
    same = []
    for widget, (own, others) in zip(chain, itertools.pairwise(screens), strict=True):
        region = part_of(widget).intersection(app.screen.region)
        if without_colour(own, region) == without_colour(others, region):
            same.append(widget)
    return same


@pytest.fixture
def no_color(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")


@BOTH_SIZES
async def test_the_focus_of_the_dataset_screen_is_seen_without_colour(no_color, open_app, size):
    async with open_app(size=size) as (pilot, screen):
        for tab in ("recipe", "faces", "steps"):
            await go(pilot, tab)
            assert not await look_the_same(screen.app, pilot)


@BOTH_SIZES
async def test_the_focus_of_the_train_screen_is_seen_without_colour(no_color, size):
    train_screen.recorded_run()
    async with train_screen.opened(size=size, shown=size != SMALL) as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen.focused, Select))
        assert not await look_the_same(app, pilot)
        await pilot.press("escape", "escape", "d")  # out of the field, then out of the form
        await until(pilot, lambda: len(app.screen_stack) > 1)
        assert not await look_the_same(app, pilot)


async def test_the_focus_of_the_evaluate_and_draw_screens_is_seen_without_colour(no_color):
    train_screen.recorded_run()
    app = make_app("evaluate")
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: app.current_mode == "evaluate" and app.screen.query(Select))
        assert not await look_the_same(app, pilot)
        await pilot.press("4")
        await until(pilot, lambda: app.current_mode == "draw" and app.screen.query("Canvas"))
        assert not await look_the_same(app, pilot)


# ── room ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def cut(screen):
    """What is displayed and yet has no cell, though it has something to show."""
    return [
        widget
        for widget in screen.query("*")
        if widget.is_attached
        and all(node.display for node in widget.ancestors_with_self if node.is_attached)
        and not widget.size.area
        and (widget.can_focus or str(getattr(widget, "content", "")))
    ]


@pytest.mark.parametrize(
    "size", [SMALL, (120, 40), pytest.param((200, 60), marks=pytest.mark.slow)], ids=["80x24", "120x40", "200x60"]
)
async def test_nothing_is_without_room(open_app, size):
    train_screen.recorded_run()
    async with open_app(size=size) as (pilot, screen):
        app = screen.app
        for tab in ("recipe", "faces", "steps", "datasets"):
            await go(pilot, tab)
            assert not cut(app.screen)
        for mode in ("train", "evaluate", "draw"):
            await app.visit(mode)
            await pilot.pause()
            assert not cut(app.screen)
            for pane in app.screen.query(".pane"):
                assert pane.region in app.screen.region or not pane.is_on_screen, pane


async def test_borders_are_plain_with_plain_characters():
    app = make_app("draw", "ascii")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.current_mode == "draw" and app.screen.query("Canvas"))
        assert {pane.styles.border_top[0] for pane in app.screen.query(".pane")} == {"ascii"}
        app.action_pictures("halves")
        await until(pilot, lambda: {pane.styles.border_top[0] for pane in app.screen.query(".pane")} == {"round"})
        await app.visit("dataset")
        await until(pilot, lambda: {pane.styles.border_top[0] for pane in app.screen.query(".pane")} == {"round"})


# ── which theme ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("colours", "reply", "theme"),
    [
        ("", b"", DARK),
        ("15;0", b"", DARK),
        ("0;15", b"", LIGHT),
        ("0;default;7", b"", LIGHT),
        ("12;8", b"", DARK),
        ("0;nonsense", b"", DARK),
        ("15;0", b"\x1b]11;rgb:ffff/ffff/eeee\x1b\\", LIGHT),
        ("0;15", b"\x1b[?62;4c\x1b]11;rgb:00/2b/36\x07", DARK),
    ],
)
def test_the_theme_fits_the_terminal(colours, reply, theme):
    terminal = understood({"TERM": "xterm", "COLORFGBG": colours}, reply)
    assert fitting(terminal.light) == theme.name


async def test_a_key_switches_the_theme_and_a_command_fits_it_again(home):
    light = Terminal(light=True)
    app = make_app("", "", light)
    async with app.run_test() as pilot:
        assert app.theme == LIGHT.name
        await pilot.press("f2")
        await until(pilot, lambda: app.theme == DARK.name and Settings.load().theme == DARK.name)
        app.action_fit_theme()
        await until(pilot, lambda: app.theme == LIGHT.name and Settings.load().theme == FITTING)
    assert KanatuiApp(terminal=light).theme == LIGHT.name


async def test_no_color_is_obeyed_whatever_the_key(no_color, home):
    app = make_app()
    async with app.run_test() as pilot:
        before = app.theme
        await pilot.press("f2")
        await until(pilot, lambda: any("NO_COLOR" in told for told in app.told))
        assert app.theme == before
    assert not (home / "config" / "ui.toml").exists() or json.dumps(Settings.load().theme) == f'"{FITTING}"'
