"""Checks that the machine has what kanatui needs, with commands that fix what is wrong."""

from __future__ import annotations

import dataclasses
import importlib
import locale
import math
import os
import re
import shlex
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from kanatui.core import paths
from kanatui.core.errors import FontError, ImageMagickError, KanatuiError
from kanatui.core.machine import apt_command, as_root, limit_of_threads
from kanatui.core.units import is_unicode
from kanatui.fonts import imagemagick
from kanatui.fonts.faces import Face, coverage, install_command, load_faces
from kanatui.kana.alphabet import KANA
from kanatui.tui.terminal import terminal_width

State = Literal["ok", "warning", "fail"]

ARTICLE_FACES = ("noto-sans-cjk-jp-thin", "noto-sans-cjk-jp-medium", "noto-serif-cjk-jp-regular")
"""The faces of the article's data set."""

_LEAST_LIMITS = {"width": "2KP", "height": "2KP", "area": "4MP", "memory": "128MiB", "disk": "128MiB"}
"""Limits that one ImageMagick process needs: a master of 1,024 pixels per em takes 1,792 pixels a side, and
:mod:`kanatui.fonts.imagemagick` gives a process at most 16 Mi pixels of 8 bytes."""
LEAST_COLUMNS, LEAST_ROWS = 80, 24
LEAST_FREE = 200_000_000
"""Bytes needed for anything at all: the masters of all faces and the checkpoints of one run."""
AMPLE_FREE = 4_000_000_000
"""Bytes that the article's data set takes at 64 pixels, with room for some runs."""


@dataclasses.dataclass(frozen=True)
class Check:
    """The result of one check, with a command that fixes the problem."""

    name: str
    state: State
    """``fail``: the main job cannot run; ``warning``: something works less well than it could."""
    detail: str
    remedy: str = ""


def check_imagemagick() -> Check:
    """Check that ImageMagick is installed and not some other program of its name."""
    try:
        magick = imagemagick.find()
    except ImageMagickError as error:
        remedy = (
            f"{apt_command(['imagemagick'])}  # if installed elsewhere: export KANATUI_IMAGEMAGICK=/path/to/convert"
        )
        return Check("ImageMagick", "fail", str(error).removesuffix(f": {apt_command(['imagemagick'])}"), remedy)
    return Check("ImageMagick", "ok", f"{magick.version} ({magick.command})")


def check_policy() -> Check:
    """Check that ImageMagick's policy allows what kanatui draws with, and the size and number of its pictures."""
    try:
        magick = imagemagick.find()
        limits = magick.limits()
        files = magick.policy_files()
    except ImageMagickError as error:
        return Check("policy", "fail", f"cannot be read: {error}".removesuffix(f": {apt_command(['imagemagick'])}"))
    low = {name: least for name, least in _LEAST_LIMITS.items() if _amount(limits.get(name, "")) < _amount(least)}
    file = files[0] if files else ""
    where = f" ({file})" if file else ""
    if not low:
        try:
            magick.try_drawing()
        except ImageMagickError as error:
            return Check("policy", "fail", f"{error}".removesuffix(imagemagick.HINT), _allow(error, files))
        return Check("policy", "ok", f"limits are high enough{where}")
    # Pixels that do not fit into memory go to a file, which is slow; the other limits have no fallback.
    state: State = "warning" if set(low) == {"memory"} else "fail"
    named = ", ".join(f"{name} {limits[name]}, needs {least}" for name, least in low.items())
    return Check("policy", state, f"too low: {named}{where}", _raise_limits(low, file))


def _amount(text: str) -> float:
    """Read a limit as ImageMagick prints it: 16KP (pixels), 256MiB, 15000; all else (`unlimited`) is infinite."""
    match = re.fullmatch(r"([\d.]+)(?:([KMGTPE])(i?))??[PB]?", text)
    if match is None:
        return math.inf
    power = "KMGTPE".find(match[2] or "-") + 1
    return float(float(match[1]) * (1024 if match[3] else 1000) ** power)


def _raise_limits(low: Mapping[str, str], file: str) -> str:
    variables = [f"MAGICK_{name.upper()}_LIMIT" for name in low if f"MAGICK_{name.upper()}_LIMIT" in os.environ]
    if variables or not file:
        return f"unset {' '.join(variables)}" if variables else ""
    edits = (f's/name="{name}" value="[^"]*"/name="{name}" value="{least}"/' for name, least in low.items())
    return as_root(f"sed -i '{'; '.join(edits)}' {shlex.quote(file)}")


def _allow(error: ImageMagickError, files: Sequence[str]) -> str:
    """Return the command that allows the formats that drawing needs, if one of them was forbidden.

    It makes this the last rule of the last file: what comes last decides.
    """
    if not files or not any(f"forbids {coder}," in str(error) for coder in imagemagick.NEEDED_CODERS):
        return ""
    rule = f'<policy domain="coder" rights="read | write" pattern="{{{",".join(imagemagick.NEEDED_CODERS)}}}"/>'
    return as_root(f"sed -i 's#</policymap>#  {rule}\\n&#' {shlex.quote(files[-1])}")


def check_fonts() -> Check:
    """Check that faces can draw kana: any at all, those of the article, and some handwriting."""
    try:
        magick = imagemagick.find()
    except ImageMagickError:
        return Check("fonts", "fail", "cannot be checked without ImageMagick")
    try:
        magick.try_drawing()
    except ImageMagickError as error:  # for the same reason, each face would fail
        return Check("fonts", "fail", f"cannot be checked: {error}".removesuffix(imagemagick.HINT))
    try:
        faces = load_faces()
        broken, usable = try_faces(faces)
    except KanatuiError as error:
        return Check("fonts", "fail", str(error))
    absent = [id for id in ARTICLE_FACES if id not in {face.id for face in usable}]
    hands = sum(face.style in ("handwriting", "brush") for face in usable)
    detail = f"{len(usable)} of {len(faces)} faces usable, {hands} of them handwriting or brush"
    wanted = [face for face in faces if face.id in absent or face.style in ("handwriting", "brush")]
    if not usable:
        why = f"; {broken[0]}" if broken else ""
        return Check("fonts", "fail", detail + why, install_command(wanted))
    if broken:
        return Check("fonts", "warning", f"{detail}; {broken[0]}", "kanatui fonts")
    if absent:
        detail += f"; the article's {', '.join(absent)} cannot be used"
        return Check("fonts", "warning", detail, install_command(wanted))
    if not hands:
        return Check("fonts", "warning", f"{detail}: models will only learn print", install_command(wanted))
    return Check("fonts", "ok", f"{detail}, all {len(ARTICLE_FACES)} of the article's")


def try_faces(faces: list[Face]) -> tuple[list[FontError], list[Face]]:
    """Return the errors of unusable installed faces, and the faces that draw at least one kana."""
    broken, usable = [], []
    for face in faces:
        if face.path is None and not face.problem:
            continue
        try:
            if coverage(face, KANA).any():
                usable.append(face)
            else:
                broken.append(FontError(f"face {face.id}: {face.path} draws no kana"))
        except FontError as error:
            broken.append(error)
    return broken, usable


def check_torch() -> Check:
    """Check that torch can be imported; report its device and whether that has native bfloat16 arithmetic."""
    try:
        torch = importlib.import_module("torch")
        device = importlib.import_module("kanatui.training.device")
    except (ImportError, OSError) as error:  # OSError: a shared library of torch cannot be loaded
        remedy = f"{shlex.quote(sys.executable)} -m pip install --force-reinstall torch"
        return Check("torch", "fail", f"cannot be imported ({error})".replace("\n", " "), remedy)
    chosen = device.choose_device()
    if chosen.type == "cuda":
        native = "yes" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    else:
        native = _cpu_bfloat16() if chosen.type == "cpu" else "not known"
    where = device.describe_device(chosen) + (f" ({limit_of_threads()})" if chosen.type == "cpu" else "")
    return Check("torch", "ok", f"{torch.__version__} on {where}; native bfloat16: {native}")


def _cpu_bfloat16() -> str:
    """Return whether the processor has native bfloat16, from the flags that Linux lists."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "not known"
    found = re.search(r"\b(amx_bf16|avx512_bf16|bf16)\b", flags)
    return f"yes ({found[1]})" if found else "no"


def check_disk() -> Check:
    """Check that kanatui's folder is writable and has room."""
    home = paths.home()
    remedy = "export KANATUI_HOME=~/kanatui  # or any writable folder with room"
    try:
        there = next(folder for folder in (home, *home.parents) if folder.exists())
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Check("disk", "fail", f"{home} cannot be written ({error.strerror})", remedy)
    detail = f"{free / 1e9:,.1f} GB free for {home}"
    if free < LEAST_FREE:
        return Check("disk", "fail", f"{detail}; at least {LEAST_FREE / 1e9:.1f} GB needed", remedy)
    if free < AMPLE_FREE:
        return Check("disk", "warning", f"{detail}; the article's data set takes {AMPLE_FREE / 1e9:.0f} GB", remedy)
    return Check("disk", "ok", detail)


def check_terminal() -> Check:
    """Check that the terminal is large enough for the app's screens."""
    if not sys.stdout.isatty():
        return Check("terminal", "ok", "none: plain output to a file or pipe")
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    detail = f"{columns} × {rows}"
    if columns == 0 or rows == 0:
        return Check("terminal", "warning", f"{detail}: size unknown", "stty cols 80 rows 24")
    if columns < LEAST_COLUMNS or rows < LEAST_ROWS:
        advice = f"printf '\\e[8;{LEAST_ROWS};{LEAST_COLUMNS}t'  # or enlarge the window"
        return Check("terminal", "warning", f"{detail}; the screens need {LEAST_COLUMNS} × {LEAST_ROWS}", advice)
    return Check("terminal", "ok", detail)


def check_colours() -> Check:
    """Check how many colours the terminal supports."""
    term = os.environ.get("TERM", "")
    if os.environ.get("NO_COLOR"):
        return Check("colours", "ok", "off because NO_COLOR is set; nothing relies on colour alone")
    if term in ("", "dumb", "unknown"):
        return Check("colours", "warning", f"none: TERM is {term!r}", "export TERM=xterm-256color")
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Check("colours", "ok", f"16 million (COLORTERM), TERM={term}")
    if "256" in term or term.endswith(("kitty", "direct")):
        return Check("colours", "ok", f"256, TERM={term}")
    # Current versions of xterm, tmux and screen have 256 colours but say so only under the -256color name.
    family = next((name for name in ("xterm", "tmux", "screen", "rxvt") if term.startswith(name)), None)
    remedy = f"export TERM={family}-256color" if family else ""
    return Check("colours", "warning", f"16, TERM={term}: glyphs will have coarse shades", remedy)


def check_unicode() -> Check:
    """Check that output is UTF-8 and that the terminal, if there is one, draws あ two columns wide."""
    encoding = sys.stdout.encoding or locale.getpreferredencoding(False)
    if not is_unicode(encoding):
        detail = f"output is encoded as {encoding.lower()}: what it lacks is replaced, and the app needs UTF-8"
        return Check("unicode", "warning", detail, "export LC_ALL=C.UTF-8")
    width = terminal_width("あ")
    if width is None:
        return Check("unicode", "ok", "UTF-8 (the width of あ was not checked)")
    if width != columns_of("あ"):
        detail = f"UTF-8, but this terminal draws あ {width} column{'s' if width != 1 else ''} wide, not 2"
        return Check("unicode", "warning", detail, "export LC_ALL=C.UTF-8  # then restart the terminal or tmux")
    return Check("unicode", "ok", "UTF-8; あ is 2 columns wide here")


def columns_of(text: str) -> int:
    """Return the terminal columns that the text takes by Unicode's East Asian Width (UAX #11)."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def check_pictures() -> Check:
    """Report how the app shows pictures here, and what the terminal said."""
    from kanatui.tui.settings import Settings
    from kanatui.tui.ways import CHOICES, chosen_here

    try:
        choice = chosen_here(setting=Settings.load().pictures)
    except KanatuiError as error:
        return Check("pictures", "warning", str(error), "unset KANATUI_PICTURES")
    terminal = choice.terminal
    detail = f"{choice.way} ({choice.why}); others: {', '.join(way for way in CHOICES if way != choice.way)}"
    cell = "cells of {} × {} pixels".format(*terminal.cell)
    said = (("Kitty graphics", terminal.graphics), ("Sixel", terminal.sixel), (cell, all(terminal.cell)))
    if heard := [name for name, has in said if has]:
        detail += f"; it says: {', '.join(heard)}"
    if terminal.tmux and terminal.graphics and not terminal.passthrough:
        return Check("pictures", "warning", f"{detail}; sharper with graphics", "tmux set -g allow-passthrough on")
    return Check("pictures", "ok", detail)


CHECKS: dict[str, Callable[[], Check]] = {
    "ImageMagick": check_imagemagick,
    "policy": check_policy,
    "fonts": check_fonts,
    "torch": check_torch,
    "disk": check_disk,
    "terminal": check_terminal,
    "colours": check_colours,
    "unicode": check_unicode,
    "pictures": check_pictures,
}
"""Every check by its name; that of fonts takes some seconds the first time, and that of torch always."""
