"""Text that others wrote: escape sequences, bidi marks, markup, 10,000 letters, on the command line and in the app."""

import json
import re

import pytest
from rich.segment import Segment
from textual.color import Color

from kanatui.cli import run
from kanatui.core import paths
from kanatui.core.errors import EngineError, KanatuiError
from kanatui.core.harmless import LONGEST, harmless, json_escaped, visible
from kanatui.plugins.registry import description
from kanatui.tui.theme import Harmless
from tests.faults.files import MANIFEST, STATUS
from tests.helpers.app import make_app, screen_text, until
from tests.helpers.events import event, lines

EVIL = "\x1b[2J\x1b]52;c;aGFsbG8=\x07\u202eabc\u2066\x00\r\n\x9b31m[/b][link=x]☃\udcff"
HARMFUL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")

SAMPLES = ["", "kana", "あいう ー ゛", "é ʻ — … 漢字", "葛󠄀", "a/b\\c", "100 %"]


@pytest.mark.parametrize("text", SAMPLES)
def test_harmless_text_stays_as_it_is(text):
    assert harmless(text) == visible(text) == text


def test_what_would_command_a_terminal_can_be_seen_instead():
    assert harmless("\x1b[31mred\x07\u202e\n\udcff") == r"\x1b[31mred\x07\u202e\n\udcff"
    assert harmless(harmless(EVIL)) == harmless(EVIL) and harmless(EVIL).isprintable()
    assert visible("a\x1b[31m\u202eb\udcff") == "a[31mb�"


@pytest.mark.parametrize("text", ["x" * 10_000, "\x1b" * 10_000, "あ" * 10_000])
def test_a_long_text_keeps_its_ends(text):
    short = harmless(f"begin {text} and what to do")
    assert len(short) == LONGEST and short.startswith("begin") and short.endswith("what to do") and " … " in short


def test_every_error_is_one_short_line():
    error = KanatuiError(f"{EVIL}{'x' * 10_000}: use another name")
    assert str(error).isprintable() and len(str(error)) <= LONGEST and str(error).endswith("use another name")
    assert str(EngineError(EVIL)).isprintable()


def test_json_keeps_its_meaning():
    text = json.dumps({"a": EVIL}, ensure_ascii=False, indent=1)
    assert json.loads(json_escaped(text)) == {"a": EVIL} and not HARMFUL.search(json_escaped(text))


def test_the_apps_filter_keeps_widths():
    made = Harmless().apply([Segment("a\x1b[2Jb\u202e"), Segment("\x1b[1A", None, [(1, 2)])], Color(0, 0, 0))
    assert [segment.text for segment in made] == ["a[2Jb", "\x1b[1A"], "Textual's own control stays"


def test_the_description_of_a_plugin_is_one_short_line(tmp_path):
    def kind(doc):
        return type("Evil", (), {"__doc__": doc, "__module__": __name__})

    assert description(kind("\x1b[31mred\nsecond")) == r"\x1b[31mred"
    assert len(description(kind("x" * 10_000))) == 200


@pytest.fixture
def evil_home(home):
    """Runs, data sets, recipes and faces that say and are called what they should not."""
    for number, name in ((1, "plain"), (2, "[b]\x1b[2J\u202e"), (3, "\udcff\nsecond line"), (4, "x" * 200)):
        folder = paths.runs() / f"{number:03d}-{name}"
        (folder / "evaluations").mkdir(parents=True)
        (folder / "config.toml").write_text(f"recipe = {json.dumps(EVIL[:-1])}\n[train]\nmodel = 'x'\n")
        (folder / "status.json").write_text(
            json.dumps(STATUS | {"state": "failed", "reason": EVIL + "y" * 10_000, "doing": EVIL})
        )
        title = json.dumps(EVIL[:-1] + "t" * 10_000)
        (folder / "about.toml").write_text(f"title = {title}\nnote = {title}\n")
        (folder / "train.log").write_text(f"{EVIL[:-1]}\n" * 30)
        (folder / "events.jsonl").write_text(
            lines(
                event("start", device=EVIL + "d" * 10_000, precision=EVIL),
                event("step"),
                event("validation"),
                event("warning", message=EVIL + "w" * 10_000),
                event("command", note=EVIL),
                event("end", state="failed", reason=EVIL + "y" * 10_000),
            )
        )
    for name in ("plain", "[b]\x1b[2J\u202e", "\udcff\nsecond"):
        folder = paths.datasets() / name
        folder.mkdir(parents=True)
        MANIFEST.files(folder)
    (paths.datasets() / "begun").mkdir()
    (paths.datasets() / "begun" / "generate.log").write_text(f"kanatui: {EVIL[:-1]}" + "z" * 10_000)
    (paths.config() / "recipes").mkdir(parents=True)
    recipe = f"description = {json.dumps(EVIL[:-1] + 'r' * 10_000)}\nimages_per_character = 5\n"
    (paths.config() / "recipes" / "[b]\x1b[2J.toml").write_text(recipe)
    (paths.config() / "fonts.toml").write_text(
        f'[[face]]\nid = "evil"\nstyle = "pen"\nweight = "bold"\nfile = "a.ttf"\nlicence = {json.dumps(EVIL[:-1])}\n'
    )
    return home


@pytest.mark.parametrize(
    "command",
    [
        ("runs",), ("runs", "--json"), ("datasets",), ("datasets", "--json"), ("recipes",), ("recipes", "--json"),
        ("fonts", "--list"), ("attach", "2"), ("runs", "diff", "1", "2"), ("runs", EVIL.replace("\0", "")),
        ("stop", EVIL.replace("\0", "")), ("models",),
    ],
    ids=lambda command: command[0] + command[-1][:6].strip("\x1b["),
)  # fmt: skip
def test_no_command_passes_on_what_would_command_the_terminal(command, evil_home, capfd):
    run(command)
    output = capfd.readouterr()
    told = output.out + output.err
    assert told and not HARMFUL.search(told)
    if "--json" in command:
        json.loads(output.out)
    else:
        assert max(map(len, told.splitlines())) < 2500
        assert "Traceback" not in told and "internal error" not in told


async def test_no_screen_passes_on_what_would_command_the_terminal(evil_home):
    app = make_app("train")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "✗ 4 " in screen_text(app))
        for key in ("down", "l", "1", "d", "3"):  # a run, its log; data sets; evaluations
            await pilot.press(key)
            await pilot.pause()
            assert not HARMFUL.search(screen_text(app)), key
        app.tell_problem(KanatuiError(f"☃{EVIL}{'x' * 10_000}"))
        text = await until(pilot, lambda: "☃" in screen_text(app) and screen_text(app))
        assert not HARMFUL.search(text) and r"\x1b[2J" in text
