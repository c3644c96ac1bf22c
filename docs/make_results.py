"""Writes README's table of results from the run that docs/figures holds: `python docs/make_results.py [NEW.json]`.

The run is what `kanatui bench all --images DIR --json` printed on a quiet machine; `make figures DIR=…` measures it and
hands it to this script, which keeps it under its date and machine in place of the one before.
"""

import fnmatch
import json
import math
import re
import string
import sys
from pathlib import Path

from kanatui.core.units import duration

README = Path(__file__).parent.parent / "README.md"
RUNS = Path(__file__).parent / "figures"
BEGIN, END = "<!-- made by docs/make_results.py -->\n", "<!-- end of what it made -->\n"

ROWS = (
    (
        "kanatui quickstart",
        "{quickstart/quickstart:time}; {quickstart/strict:.1f} % strict, {quickstart/folded:.1f} % folded",
        "{quickstart/strict:n} held-out images",
    ),
    (
        "kanatui evaluate default --images DIR",
        "{evaluate/strict:.1f} % strict, {evaluate/folded:.1f} % folded",
        "{evaluate/strict:n} drawings",
    ),
    (
        "kanatui bench unknown --images DIR",
        "AUROC {unknown/AUROC, kana in *:.3f} for telling kana from digits, letters and kanji",
        "{unknown/AUROC, kana in *:n} and {unknown/AUROC, kana in *:n2}",
    ),
    (
        "kanatui bench read --drawings DIR",
        "character error rate of lines: {read/lines of drawings, horizontal:.1f} % horizontal, "
        "{read/lines of drawings, vertical:.1f} % vertical",
        "{read/lines of drawings, horizontal:n}; {read/lines of drawings, vertical:n}",
    ),
    (
        "kanatui bench sheets DIR",
        "{sheets/boxes of all scenes *:.1f} % of the boxes in simulated photos cut correctly",
        "{sheets/boxes of all scenes *:n} boxes",
    ),
    (
        "kanatui bench digits",
        "{digits/digits that people wrote, *:.1f} % of digits that people wrote",
        "{digits/digits that people wrote, *:n}",
    ),
    (
        "kanatui bench render",
        "{render/placed, 64 px:3} images/s, "
        "{render/placed / the article's way:3} times as fast as one `convert` for each",
        "{render/placed, 64 px:samples} rounds",
    ),
    (
        "kanatui bench train",
        "{train/empty directory to *:2} s from an empty folder to the article's 71.4 % strict",
        "1",
    ),
    (
        "kanatui bench tui",
        "first paint {tui/first paint:2} s; key to paint during training {tui/key to paint *:2} ms (95th percentile)",
        "{tui/first paint:samples}; {tui/key to paint *:samples} keys",
    ),
)
"""Command, figures and n. A field names a benchmark and a figure of it, with * for any text, and how to write it."""

EARLIER: dict[str, tuple[str, str]] = {}
"""Rows that the run lacks, from docs/MEASUREMENTS.md. Delete those that a new run has: the tests ask for it."""


class Cells(string.Formatter):
    """Fills in the fields of a row; LookupError for a figure that the run lacks."""

    def __init__(self, run):
        # A figure whose note says so was not measured: its value is no result.
        found = [each for each in run["figures"] if not each["note"].startswith("not reached")]
        self._figures = {f"{each['bench']}/{each['name']}": each for each in found}

    def get_field(self, field_name, args, kwargs):
        """Find a figure by its benchmark and name."""
        names = [name for name in self._figures if fnmatch.fnmatchcase(name, field_name)]
        if len(names) != 1:
            raise LookupError(f"{field_name}: {len(names)} figures of that name")
        return self._figures[names[0]], field_name

    def format_field(self, value, format_spec):
        """Write a figure: significant digits, decimals (.1f), time, number of samples, or a number in its note (n)."""
        if format_spec == "time":
            return duration(value["value"])
        if format_spec == "samples":
            return str(len(value["samples"]))
        if format_spec.startswith("n"):
            return re.findall(r"\d[\d,]*", value["note"])[int(format_spec[1:] or 1) - 1]
        if format_spec.isdecimal():
            return significant(value["value"], int(format_spec))
        return format(value["value"], format_spec)


def significant(value, digits):
    """Round to significant digits, without an exponent: 56,700."""
    rounded = float(f"{value:.{digits - 1}e}")
    places = digits - 1 - math.floor(math.log10(abs(rounded))) if rounded else 0
    return f"{rounded:,.{max(0, places)}f}"


def measured(run):
    """Return the rows that a run has the figures of: command → figures and n."""
    cells, found = Cells(run), {}
    for command, *texts in ROWS:
        try:
            found[command] = tuple(map(cells.format, texts))
        except LookupError:
            continue
    return found


def file_name(run):
    """Return the name under which a run is kept: its date and machine."""
    machine = re.sub(r"\W+", "-", run["machine"]["processor"].lower()).strip("-")
    return f"{run['date']}-{machine}.json"


def table(run):
    """Return the table and the line above it, which says what was measured when and where."""
    about, new = run["machine"], measured(run)
    rows, earlier = EARLIER | new, EARLIER.keys() - new.keys()
    torch = re.search(r"torch [^,]*", about["versions"])[0]
    machine = f"{about['processor']}, {about['cores'].split()[0]} cores, {about['memory']}"
    lines = [
        f"[One run](docs/figures/{file_name(run)}) of `kanatui bench all --images DIR` on {run['date']}: {machine},",
        f"{about['system'].partition(',')[0]}, {torch}; load {about['load'].split()[0]} when it began.",
        *(
            ["Rows with *earlier* are of runs that [docs/MEASUREMENTS.md](docs/MEASUREMENTS.md) dates."]
            if earlier
            else []
        ),
        "",
        "| command | figure | n |",
        "|---|---|---|",
        *(f"| `{command}` | {rows[command][0]} | {rows[command][1]} |" for command, *_ in ROWS),
    ]
    return "\n".join(lines) + "\n"


def committed():
    """Return the one run that is kept."""
    (file,) = RUNS.glob("*.json")
    return json.loads(file.read_text(encoding="utf-8"))


def document(run):
    """Return README with the table of a run in it."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + table(run) + END + rest.partition(END)[2]


def main() -> None:
    """Keep a new run, if one is named, and write README."""
    if sys.argv[1:]:
        text = Path(sys.argv[1]).read_text(encoding="utf-8")
        run = json.loads(text)
        RUNS.mkdir(exist_ok=True)
        for old in RUNS.glob("*.json"):
            old.unlink()
        (RUNS / file_name(run)).write_text(text, encoding="utf-8")
    run = committed()
    README.write_text(document(run), encoding="utf-8")
    for command in EARLIER.keys() & measured(run).keys():
        print(f"measured again, no longer needed in EARLIER: {command}")
    print(f"wrote {README}")


if __name__ == "__main__":
    main()
