"""The command `fonts`: lists the faces and what each can draw, adds the user's own and takes them out."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import complain, out, print_json, progress, stages
from kanatui.core.units import counted
from kanatui.kana.alphabet import DEFAULT_SET

if TYPE_CHECKING:
    from rich.table import Table

    from kanatui.fonts.faces import Face
    from kanatui.fonts.own import Outcome

_MOST_NAMED = 20  # lists of at most this many missing characters are printed; they fit on a line
_MOST_REFUSED = 5  # fonts refused for one reason that are named one by one
_WIDTHS = (30, 12, 11, 9, 11)  # column widths: 78 with the gaps, for 80-column terminals
_STYLES = {
    "present": "green",
    "missing": "dim",
    "unusable": "bold red",
}


@dataclasses.dataclass(frozen=True)
class _Row:
    """One face and its state on this machine."""

    face: Face
    drawn: int
    lacks: str
    error: str

    @property
    def state(self) -> str:
        if self.face.path is None and not self.face.problem:
            return "missing"
        return "unusable" if self.error or not self.drawn else "present"


@click.group("fonts", invoke_without_command=True)
@click.option(
    "--characters", "-c", default=DEFAULT_SET, show_default=True, metavar="SPEC", help="Count these characters."
)
@click.option("--missing", is_flag=True, help="List only the faces that are not installed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def fonts_command(context: click.Context, characters: str, missing: bool, as_json: bool) -> None:
    """List the faces: whether each is installed, and how many of the characters it can draw.

    A character counts if the font has it, its glyph leaves ink, and it is not the font's missing-glyph box. Exit status
    1 if no face can be used. `kanatui fonts add` adds faces of your own.
    """
    if context.invoked_subcommand:
        return
    from kanatui.fonts.faces import install_command, load_faces, user_file
    from kanatui.kana.sets import parse_characters

    wanted = parse_characters(characters)
    faces = load_faces()
    rows = _survey(faces, wanted)
    shown = [row for row in rows if row.state == "missing"] if missing else rows
    install = install_command(faces)
    if as_json:
        print_json({"characters": len(wanted), "faces": [_plain(row) for row in shown], "install": install})
    else:
        _print_rows(shown, len(wanted))
        present = sum(row.state == "present" for row in rows)
        text = f"{present} of {len(rows)} faces can be used. Your own are in {user_file()}; kanatui fonts add adds some"
        out.print(text, soft_wrap=True)
        _print_others()
        if install:
            out.print()
            out.print("To install the rest:")
            out.print(f"  {install}", soft_wrap=True)
    if not any(row.state == "present" for row in rows):
        context.exit(1)


def _survey(faces: Sequence[Face], characters: str) -> list[_Row]:
    """Find out what each face draws; the first time, ImageMagick takes a moment per face."""
    from kanatui.core.errors import FontError
    from kanatui.fonts.faces import coverage

    def examine(face: Face) -> _Row:
        if face.path is None and not face.problem:
            return _Row(face, 0, "", "")
        try:
            can = coverage(face, characters)
        except FontError as error:
            return _Row(face, 0, characters, str(error))
        lacks = "".join(c for c, ok in zip(characters, can, strict=True) if not ok)
        return _Row(face, int(can.sum()), lacks, "")

    rows = []
    with progress("checking faces", sum(face.path is not None for face in faces), "faces") as advance:
        for face in faces:
            rows.append(examine(face))
            if face.path is not None:
                advance()
    return rows


def _plain(row: _Row) -> dict[str, Any]:
    fields = {key: value for key, value in dataclasses.asdict(row.face).items() if key != "path"}
    path = str(row.face.path) if row.face.path else None
    return fields | {"path": path, "state": row.state, "drawn": row.drawn, "lacks": row.lacks, "error": row.error}


def _print_rows(rows: Sequence[_Row], total: int) -> None:
    """Print the faces grouped by package and licence, within 80 columns."""
    from rich.text import Text

    if not rows:
        return
    table = _table()
    table.add_row("face", "style", "weight", "state", "draws", style="dim")
    out.print(table)
    groups: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row.face.package, row.face.licence), []).append(row)
    for (package, licence), group in groups.items():
        table = _table()
        for row in group:
            draws = "" if row.state == "missing" else f"{row.drawn}/{total}"
            state = Text(row.state, style=_STYLES[row.state])
            table.add_row(f"  {row.face.id}", row.face.style, row.face.weight, state, draws)
        out.print(Text.assemble((package or "no package", "bold"), f"  {licence}"))
        out.print(table)
    for row in rows:
        if row.error:
            out.print(f"{row.face.id}: {row.error}", soft_wrap=True)
        elif 0 < len(row.lacks) <= _MOST_NAMED:
            out.print(f"{row.face.id} lacks {row.lacks}", soft_wrap=True)


def _print_others() -> None:
    """Print one line per plugin that provides faces without fonts."""
    from kanatui.plugins.registry import load

    for id, source in load().glyph_sources.items():
        faces = [face for face in source().faces() if face.source != "fonts"]
        present = [face.id for face in faces if face.path is not None]
        if faces:
            which = " … ".join(dict.fromkeys([present[0], present[-1]])) if present else "none installed"
            styles = ", ".join(dict.fromkeys(face.style for face in faces))
            out.print(
                f"{counted(len(faces), 'more face')}, of style {styles}, from plugin {id}: {which}", soft_wrap=True
            )


def _known(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Check a style or weight; here, because the lists of them take time to import."""
    from kanatui.fonts.faces import STYLES, WEIGHTS

    known = STYLES if option.name == "style" else WEIGHTS
    if value is not None and value not in known:
        raise click.BadParameter(f"{value!r} is none of {', '.join(known)}")
    return value


@fonts_command.command("add")
@click.argument("given", nargs=-1, required=True, metavar="FILE|FOLDER|TARBALL…", type=click.Path(path_type=Path))
@click.option("--style", callback=_known, metavar="STYLE", help="Style of all of them (default: guessed).")
@click.option("--weight", callback=_known, metavar="WEIGHT", help="Weight of all of them (default: guessed).")
@click.option("--link", is_flag=True, help="Leave font files where they are instead of copying them.")
@click.option("--alike", is_flag=True, help="Also add near-duplicates of faces that you have.")
@click.option(
    "--characters", "-c", default=DEFAULT_SET, show_default=True, metavar="SPEC", help="Check these characters."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def fonts_add(
    context: click.Context,
    given: tuple[Path, ...],
    style: str | None,
    weight: str | None,
    link: bool,
    alike: bool,
    characters: str,
    as_json: bool,
) -> None:
    """Add fonts to your own faces: TTF, OTF, collections, WOFF, WOFF2 and variable fonts, by file, folder or archive.

    A package of the fontsource family can be added as npm fetches it: npm pack @fontsource/yomogi, then kanatui fonts
    add fontsource-yomogi-*.tgz. Every instance of a variable font is a face.

    Each face is drawn to see what it covers. Style and weight are guessed, and the licence is read from the font;
    correct them in your fonts.toml if they are wrong. A face is refused if it draws none of
    the characters, has the shapes of one that you already have, or is a weight between two that you have.

    Exit status 1 if a file is not a readable font, or if everything was refused.
    """
    from kanatui.fonts.own import Wishes, add
    from kanatui.kana.sets import parse_characters

    wishes = Wishes(parse_characters(characters), style or "", weight or "", link, alike)
    outcomes: list[Outcome] = []
    try:
        with stages({"reading fonts": "files"}) as report:
            add(given, wishes, outcomes.append, report)
    finally:  # what was added before Ctrl-C is there to stay
        if as_json:
            print_json([dataclasses.asdict(outcome) for outcome in outcomes])
        else:
            _print_outcomes(outcomes, len(wishes.characters))
    states = {outcome.state for outcome in outcomes}
    if "failed" in states or not states & {"added", "there"}:
        context.exit(1)


def _print_outcomes(outcomes: Sequence[Outcome], total: int) -> None:
    # A folder of a system's fonts holds hundreds that have no kana.
    reasons = collections.Counter(outcome.why for outcome in outcomes if outcome.state == "refused")
    many = {why: count for why, count in reasons.items() if count > _MOST_REFUSED}
    for why, count in many.items():
        out.print(f"not added: {counted(count, 'font')}, each because {why}", soft_wrap=True)
    for outcome in outcomes:
        if outcome.why in many:
            continue
        if outcome.state == "failed":
            complain(f"{outcome.name}: {outcome.why}")
            continue
        text = {
            "added": f"added {outcome.id}: {outcome.style}, {outcome.weight}, draws {outcome.drawn}/{total}"
            f"{', ' * bool(outcome.licence)}{outcome.licence}",
            "there": f"{outcome.name} is there already: {outcome.id}",
            "refused": f"not added: {outcome.name}: {outcome.why}",
        }[outcome.state]
        if 0 < len(outcome.lacks) <= _MOST_NAMED:
            text += f"; it lacks {outcome.lacks}"
        out.print(text, soft_wrap=True)


@fonts_command.command("remove")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fonts_remove(ids: tuple[str, ...], as_json: bool) -> None:
    """Take faces out of your own: their entries in fonts.toml, and the copies of their fonts. ID may have * and ?."""
    from kanatui.fonts.own import remove

    gone = remove(ids)
    if as_json:
        print_json({"removed": gone})
    else:
        out.print(f"removed {', '.join(gone)}", soft_wrap=True)


def _table() -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    for width in _WIDTHS:
        table.add_column(width=width, no_wrap=True)
    return table
