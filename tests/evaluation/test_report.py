"""The report on a run: complete, and in one file."""

import html.parser
import re

import pytest

from kanatui.cli import run
from kanatui.evaluation.store import list_evaluations
from tests.helpers.drawings import FIVE

pytest.importorskip("matplotlib", reason="needs matplotlib, of the extra figures")


class Outline(html.parser.HTMLParser):
    """What a page consists of."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sections, self.pictures, self.links = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.links += [found[key] for key in ("src", "href", "xlink:href") if key in found]
        if tag == "img":
            self.pictures.append(found["src"])
        if tag == "h2":
            self.sections.append("")
        self.open.append(tag)

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.sections[-1] += data


def test_a_report_holds_all_that_is_known_of_a_run(base, tmp_path, capsys):
    base.rename("<first> try")
    target = tmp_path / "report.html"
    assert run(["report", "1", "-o", str(target), "--figures", str(tmp_path / "figures")]) == 0
    assert f"wrote {target}" in capsys.readouterr().out
    (evaluation,) = list_evaluations(base.path / "evaluations")
    text = target.read_text()
    page = Outline(text)
    assert page.sections == ["Scores", "Training", "Read: held-out images", "Faces", "Configuration"]
    assert all(link.startswith(("data:", "#")) for link in page.links), "nothing is fetched from elsewhere"
    predictions, _ = evaluation.load()
    assert len(page.pictures) == len(predictions.misread(folded=True)[:48])
    assert text.count("<svg") == 3 and "&lt;first&gt; try" in text and "<first>" not in text
    for known in (f"{100 * evaluation.total['strict']:.1f} %", "klee-regular", "OFL-1.1", "batch_size = 16"):
        assert known in text
    assert str(base.path.parent.parent) not in text, "no folder of this machine"
    assert sorted(path.suffix for path in (tmp_path / "figures").iterdir()) == [".png"] * 3 + [".svg"] * 3
    assert run(["report", "1", "-o", str(target)]) == 0
    assert len(list_evaluations(base.path / "evaluations")) == 1, "it is not evaluated again"


def test_what_was_misread_is_shown_with_its_pictures(base, tmp_path, picture):
    for place, character in enumerate(FIVE):
        picture(f"mine/U+{ord(character):04X}/1.png", height=3 + 2 * place)
    assert run(["evaluate", "1", "--images", str(tmp_path / "mine")]) == 0
    assert run(["report", "1", "-o", str(tmp_path / "report.html")]) == 0
    text = (tmp_path / "report.html").read_text()
    captions = re.findall(r"<b>(.)</b> read as <b>(.+?)</b>", text)
    assert len(captions) >= 3 and all(truth in FIVE and truth != read for truth, read in captions)
    assert len(Outline(text).pictures) == len(captions)


def test_bad_requests_are_one_line(base, tmp_path, monkeypatch, capsys):
    assert run(["report", "1", "-o", str(tmp_path / "report.pdf")]) == 2
    assert "a report's file ends in .html" in " ".join(capsys.readouterr().err.split())
    assert run(["report", "9"]) == 1
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(["report", "1"]) == 2
    assert "pip install matplotlib" in capsys.readouterr().err
