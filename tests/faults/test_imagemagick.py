"""An ImageMagick that fails while a data set is written: a named error, no child left behind, no half shard."""

import hashlib
import os

import psutil
import pytest

from kanatui import cli
from kanatui.dataset import write
from kanatui.fonts import imagemagick

GENERATE = (
    "generate", "quick", "--characters", "あい", "--faces", "klee-regular", "--image-size", "16",
    "--images-per-character", "60", "--rendering", "exact", "--seed", "4", "--workers", "1",
)  # fmt: skip

FAULTS = {
    "dies": ("kill -9 $$", "was killed by signal 9"),
    "dies half way": ('"$real" "$@" | head -c 500; kill -9 $$', "was killed by signal 9"),
    "fails": ("echo 'convert: no more colours' >&2; exit 4", "failed with exit status 4: convert: no more colours"),
    "gives less": ('"$real" "$@" | head -c 500', "gave 500 bytes for"),
    "gives more": ('"$real" "$@"; echo more', "bytes for"),
    "gives nothing": ("exit 0", "gave 0 bytes for"),
    "hangs": ("sleep 1000 & wait", "no answer within"),
    "is removed": ('rm -f "$0"; exec "$real" "$@"', "/bin/convert"),
}


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Put a program in ImageMagick's place that does what it does, until the third time it draws."""
    real = imagemagick.find().command
    monkeypatch.setattr(write, "images_per_shard", lambda size, images: 20)
    monkeypatch.setattr(imagemagick, "START_SECONDS", 60.0)

    def replace(fault):
        path = tmp_path / "bin" / "convert"
        path.parent.mkdir()
        path.write_text(
            f"#!/bin/bash\nreal={real}\n"
            'case "$*" in *r:-*) echo >> "${0%/*}/drawn";; esac\n'
            'if [ "$(wc -l < "${0%/*}/drawn" 2> /dev/null)" -ge 3 ]; then\n'
            f"{fault}\nexit\nfi\n"
            'exec "$real" "$@"\n'
        )
        path.chmod(0o755)
        monkeypatch.setenv("KANATUI_IMAGEMAGICK", str(path))

    return replace


def contents(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.npy")}


USUAL = ("dies half way", "gives less", "hangs")


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in USUAL else pytest.mark.slow) for n in FAULTS])
def test_what_was_written_stays_valid_and_resuming_ends_with_the_same_bytes(name, failing, home, capfd, monkeypatch):
    fault, words = FAULTS[name]
    assert cli.run([*GENERATE, "--name", "undisturbed"]) == 0
    made, undisturbed = home / "datasets" / "broken", contents(home / "datasets" / "undisturbed")
    with monkeypatch.context() as patch:
        failing(fault)
        if name == "hangs":
            patch.setattr(imagemagick, "START_SECONDS", 1.0)
            patch.setattr(imagemagick, "_SECONDS_PER_MEGAPIXEL", 0.0)
        assert cli.run([*GENERATE, "--name", "broken"]) == 1
    said = capfd.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("kanatui: ") and words in said and os.environ["KANATUI_IMAGEMAGICK"] in said
    assert [path.name for path in made.iterdir() if path.name.endswith(".tmp")] == []
    assert not [child for child in psutil.Process().children(recursive=True) if child.name() in ("convert", "sleep")]
    whole = contents(made)
    monkeypatch.delenv("KANATUI_IMAGEMAGICK")
    assert cli.run(["generate", "--resume", "--name", "broken"]) == 0
    assert contents(made) == undisturbed
    assert whole.items() <= undisturbed.items() and len(whole) < len(undisturbed)
