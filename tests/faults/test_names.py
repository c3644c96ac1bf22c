"""Names that are too long, lead elsewhere, or hold what a terminal would obey: refused in one line, nothing touched."""

import pytest

from kanatui.cli import run

LONG = "a" * 300

COMMANDS = [
    ("generate", "--name", LONG, "--recipe", "quick"),
    ("generate", "--recipe", LONG),
    ("generate", "--characters", LONG),
    ("generate", "--faces", LONG),
    ("recipes", "save", LONG),
    ("recipes", "show", LONG),
    ("recipes", "show", f"{LONG}.toml"),
    ("train", "--recipe", LONG),
    ("train", "--data", LONG),
    ("train", "--resume", LONG),
    ("recognize", "--model", LONG, "x.png"),
    ("recognize", "--model", f"{LONG}.safetensors", "x.png"),
    ("recognize", "--model", f"x/{LONG}", "x.png"),
    ("recognize", LONG),
    ("read", LONG),
    ("evaluate", LONG),
    ("evaluate", "default", "--images", LONG),
    ("adapt", "--samples", LONG),
    ("datasets", "--delete", LONG),
    ("datasets", "--stop", LONG),
    ("runs", "--delete", LONG, "--yes"),
    ("stop", LONG),
    ("models", "show", LONG),
    ("models", "show", f"{LONG}.safetensors"),
    ("fonts", "add", LONG),
    ("fonts", "remove", LONG),
    ("plugins", "trust", LONG),
    ("sheet", "read", LONG),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command).replace(LONG, "LONG"))
def test_a_name_of_300_characters_is_refused_in_one_line(command, capfd, shipped_model):
    assert run(command) in (1, 2)
    told = capfd.readouterr().err.strip().splitlines()[-1]
    assert told.startswith(("kanatui: ", "Error: ")) and "internal error" not in told
    assert "aaaa" in told and len(told) < 1200
