"""The command `read`, and what `recognize` says of pictures with several characters."""

import contextlib
import json
import os

import pytest
from PIL import Image

from kanatui.cli import console, run
from tests.helpers.writing import image, line, sheet

TEXT = "いぬとねこ"


@pytest.fixture
def model(shipped_model, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return ["--model", str(shipped_model)]


@pytest.fixture
def written(tmp_path, home):
    path = tmp_path / "written.png"
    image(line(TEXT).picture).save(path)
    return path


@pytest.fixture
def vertical(tmp_path, home):
    path = tmp_path / "vertical.png"
    image(line(TEXT, vertical=True).picture).save(path)
    return path


def test_the_text_is_printed_line_by_line(model, written, vertical, capsys):
    assert run(["read", *model, str(written)]) == 0
    assert capsys.readouterr().out == f"{TEXT}\n"
    assert run(["read", *model, str(written), str(vertical)]) == 0
    assert capsys.readouterr().out == f"{written}:\n{TEXT}\n{vertical}:\n{TEXT}\n"


def test_json_has_boxes_readings_and_probabilities(model, vertical, capsys):
    assert run(["read", *model, str(vertical), "--json", "--top", "3"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["file"], entry["text"], entry["direction"]) == (str(vertical), TEXT, "vertical")
    (found,) = entry["lines"]
    assert [character["character"] for character in found["characters"]] == list(TEXT)
    width, height = Image.open(vertical).size
    for character in found["characters"]:
        left, top, right, bottom = character["box"]
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        assert len(character["readings"]) == 3 and len(character["outline"]) == 4
        assert 0 <= character["probability"] <= 1 and character["doubtful"] is False


def test_the_direction_and_the_candidates_can_be_given(model, written, capsys):
    assert run(["read", *model, str(written), "--direction", "vertical", "-c", "katakana", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["direction"] == "vertical" and len(entry["lines"]) > 1
    assert all("ァ" <= character <= "ヶ" for character in entry["text"].replace("\n", ""))


def test_the_readings_are_drawn_into_a_copy(model, written, tmp_path):
    target, before = tmp_path / "out.png", written.read_bytes()
    assert run(["read", *model, str(written), "--png", str(target)]) == 0
    with Image.open(target) as drawn, Image.open(written) as plain:
        assert drawn.size == plain.size and drawn.mode == "RGB"
        assert drawn.convert("L").tobytes() != plain.tobytes()
    assert written.read_bytes() == before


def test_standard_input_is_read(model, written, kanatui):
    environment = {"KANATUI_HOME": os.environ["KANATUI_HOME"]}
    result = kanatui("read", *model, "-", stdin=written.read_bytes(), check=0, env=environment)
    assert result.stdout.decode() == f"{TEXT}\n"
    result = kanatui("read", *model, "-", stdin=b"", check=1, env=environment)
    assert result.stderr.decode().strip() == "kanatui: standard input: empty; pipe a picture into it"


def test_bad_files_are_named_and_the_others_read(model, written, tmp_path, capsys):
    blank, text, missing = tmp_path / "blank.png", tmp_path / "text.png", tmp_path / "missing.png"
    Image.new("L", (90, 60), 255).save(blank)
    text.write_text("hello")
    files = [missing, blank, written, text]
    assert run(["read", *model, *map(str, files), "--json"]) == 1
    output = capsys.readouterr()
    assert [entry.get("text") for entry in json.loads(output.out)] == [None, None, TEXT, None]
    complaints = output.err.splitlines()
    assert len(complaints) == 4 and "3 of 4 pictures" in complaints[-1]
    for path, line_ in zip([missing, blank, text], complaints, strict=False):
        assert line_.startswith(f"kanatui: {path}: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--png", "out.png", "two.png"], ["--png", "give one"]),
        (["-c", "漢字"], ["--characters"]),
        (["--direction", "diagonal"], ["--direction"]),
        (["--model", "nonsense"], ["nonsense"]),
    ],
)
def test_what_makes_no_sense_is_one_line(model, written, arguments, words, capsys):
    assert run(["read", *model, str(written), *arguments]) in (1, 2)
    error = capsys.readouterr().err
    assert all(word in error for word in words) and "Traceback" not in error


def test_a_picture_that_cannot_be_written_is_an_error(model, written, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert run(["read", *model, str(written), "--png", str(tmp_path / "taken" / "out.png")]) == 1
    assert "out.png" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["line", "two", "sheet", "piped"])
def test_recognize_says_that_there_are_several_characters(kind, model, tmp_path, kanatui, capsys, home):
    picture = {"two": line("いぬ"), "sheet": sheet(["あいう", "かきく"])}.get(kind, line("ありがとう")).picture
    path = tmp_path / f"{kind}.png"
    image(picture).save(path)
    if kind == "piped":
        environment = {"KANATUI_HOME": os.environ["KANATUI_HOME"]}
        error = kanatui("recognize", *model, "-", stdin=path.read_bytes(), check=0, env=environment).stderr.decode()
        assert "several characters (ありがとう)" in error and "kanatui read -" in error
        return
    assert run(["recognize", *model, str(path), "--json"]) == 0
    output = capsys.readouterr()
    assert f"{path}: shows several characters" in output.err and f"kanatui read {path}" in output.err
    assert json.loads(output.out)[0]["several"]


def test_recognize_says_nothing_of_single_characters(model, tmp_path, capsys, home):
    files = []
    for character in "いニハルがツミふ":
        files.append(tmp_path / f"{character}.png")
        image(line(character, em=100).picture).save(files[-1])
    assert run(["recognize", *model, *map(str, files), "--json"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert not any("several" in entry for entry in json.loads(output.out))


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp"])
@pytest.mark.parametrize("command", ["read", "recognize"])
def test_pages_that_are_not_read_are_named(model, tmp_path, home, capsys, command, suffix):
    first = image(line(TEXT).picture).convert("RGB")
    pages = [first, image(line("ねこ").picture).convert("RGB").resize(first.size)]
    path = tmp_path / f"pages.{suffix}"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert run([command, *model, str(path)]) == 0
    assert f"{path}: only the first of 2 pages is read" in capsys.readouterr().err
    pages[0].save(path)
    assert run([command, *model, str(path)]) == 0
    assert "pages" not in capsys.readouterr().err.replace(str(path), "")


@pytest.mark.parametrize("command", ["read", "recognize"])
def test_a_folder_is_refused_with_the_way_to_read_it(model, tmp_path, home, capsys, command):
    assert run([command, *model, str(tmp_path)]) == 1
    assert f"{tmp_path}: is a directory; name the pictures in it, as in {tmp_path}/*" in capsys.readouterr().err


def test_many_pictures_show_how_many_are_read(model, written, capsys):
    assert run(["read", *model, *[str(written)] * 9, "--json"]) == 0
    output = capsys.readouterr()
    assert len(json.loads(output.out)) == 9
    assert "reading: 9/9" in output.err


def test_the_time_left_does_not_count_what_was_loaded_before_the_first_picture(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("kanatui.cli.console.time.monotonic", lambda: clock[0])
    with console.progress("reading", 1000, "images") as advance:
        for clock[0] in (30.0, 35.0, 40.0):  # the first picture comes late
            advance(1 if clock[0] == 30 else 100)
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith("reading: 1/1,000") and "left" not in first
    assert second.endswith("  45 s left") and third.endswith("  40 s left")


def test_an_output_that_cannot_be_written_is_named_as_it_was_given(model, written, tmp_path, capsys):
    target = tmp_path / "missing" / "out.png"
    assert run(["read", *model, str(written), "--png", str(target)]) == 1
    assert f"kanatui: {target}: " in capsys.readouterr().err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_behind_standard_output_is_no_bug(capfd, monkeypatch):
    with contextlib.suppress(OSError), open("/dev/full", "w", encoding="utf-8", buffering=1) as full:
        monkeypatch.setattr("sys.stdout", full)
        status = run(["recipes"])
        monkeypatch.undo()
    assert status == 1
    error = capfd.readouterr().err
    assert "no space left on device" in error and "internal error" not in error
