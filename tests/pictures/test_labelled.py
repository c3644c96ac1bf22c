"""Labelled pictures: folders as people have them, tables, and arrays as MNIST and KMNIST ship them."""

import gzip
import unicodedata

import numpy as np
import pytest
from PIL import Image

from kanatui.core.errors import ImageError, UsageError
from kanatui.pictures.files import open_image, read_image
from kanatui.pictures.labelled import find_labelled, read_table


def labels(found):
    return [label for _, label in found.files]


def test_labelled_pictures_are_found_in_order_and_others_counted(folder):
    found = find_labelled(folder)
    assert [(path.name, label) for path, label in found.files] == [
        ("a.PNG", "か"), ("b.png", "か"), ("1.jpg", "が"), ("x.jpeg", "さ"), ("1.png", "漢"),
    ]  # fmt: skip
    assert found.ignored == 2 and found.left_out == ("folder 'not a label'",)
    assert labels(found.at_most(3)) == ["か", "が", "さ"]
    assert len(found.at_most(99).files) == 5


def test_a_folder_without_labelled_pictures_says_what_is_expected(tmp_path):
    (tmp_path / "plain" / "misc").mkdir(parents=True)
    (tmp_path / "plain" / "a.png").touch()
    with pytest.raises(ImageError, match=r"plain: no labelled pictures; expected LABEL/\*.png"):
        find_labelled(tmp_path / "plain")
    (tmp_path / "plain" / "misc" / "a.png").touch()
    with pytest.raises(ImageError, match="not folder 'misc'"):
        find_labelled(tmp_path / "plain")
    with pytest.raises(ImageError, match="nowhere: no such folder"):
        find_labelled(tmp_path / "nowhere")
    with pytest.raises(ImageError, match="not a folder"):
        find_labelled(tmp_path / "plain" / "a.png")


def test_names_that_macos_decomposed(tmp_path, picture):
    for character in "がパヴ":
        picture(f"mac/{unicodedata.normalize('NFD', character)}/1.png")
    assert labels(find_labelled(tmp_path / "mac")) == ["が", "パ", "ヴ"]


def test_folders_above_the_label(tmp_path, picture):
    for name in ("train/か/1.png", "test/か/1.png", "test/き/1.png", "v2/val/hard/く/1.png"):
        picture(f"split/{name}")
    found = find_labelled(tmp_path / "split")
    assert labels(found) == ["か", "か", "き", "く"] and not found.left_out and not found.ignored
    assert sorted(found.name(path) for path, _ in found.files)[0] == "test/か/1.png"


def test_a_folder_above_says_the_script_of_romaji(tmp_path, picture):
    for name in ("Katakana/ka/1.png", "hiragana/ka/1.png", "hiragana/train/shi/1.png"):
        picture(f"both/{name}")
    assert labels(find_labelled(tmp_path / "both")) == ["か", "し", "カ"]
    assert labels(find_labelled(tmp_path / "both" / "Katakana")) == ["カ"]


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".tif", ".TIFF", ".gif", ".pgm", ".jpeg"])
def test_every_kind_of_picture_that_can_be_read_is_one(tmp_path, picture, suffix):
    picture(f"kinds/か/1{suffix}")
    (path, label), *_ = find_labelled(tmp_path / "kinds").files
    assert label == "か" and read_image(path, 32).max() > 100


def test_what_systems_leave_behind_is_skipped_in_silence(tmp_path, picture):
    for name in (
        "か/1.png",
        "か/._1.png",
        "__MACOSX/か/1.png",
        ".ipynb_checkpoints/1.png",
        "か/.ipynb_checkpoints/1.png",
    ):
        picture(f"left/{name}")
    for name in (".DS_Store", "Thumbs.db", "か/.DS_Store", "か/Thumbs.db", "か/desktop.ini"):
        (tmp_path / "left" / name).write_text("")
    found = find_labelled(tmp_path / "left")
    assert labels(found) == ["か"] and found.ignored == 0 and not found.left_out


def test_a_folder_of_links_to_itself_ends(tmp_path, picture):
    picture("loop/か/1.png")
    (tmp_path / "loop" / "か" / "again").symlink_to(tmp_path / "loop", target_is_directory=True)
    assert set(labels(find_labelled(tmp_path / "loop"))) == {"か"}


# --- tables


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("a.png,か\nsub/b.png,が\n", "utf-8"),
        ("file,label\na.png,か\nsub/b.png,か\u3099\n", "utf-8-sig"),
        ("id\tchar\tfilename\n1\tか\ta.png\n2\tが\tsub/b.png\n", "utf-8"),
        ("Datei;Zeichen\na.png;304b\nsub/b.png;304c\n", "utf-8"),
        ("a.png,ka\r\nsub/b.png,ga\r\n", "utf-8"),
        ("a.png,か\nsub/b.png,が\n", "cp932"),
        ('"a.png","2 2","か"\n"sub/b.png","","が"\n'.replace('"2 2",', "").replace('"",', ""), "utf-8"),
    ],
)
def test_a_table_of_files_and_labels(tmp_path, picture, text, encoding):
    picture("set/a.png")
    picture("set/sub/b.png")
    table = tmp_path / "labels.csv"
    table.write_bytes(text.encode(encoding))
    found = find_labelled(tmp_path / "set", str(table))
    assert [(found.name(path), label) for path, label in found.files] == [("a.png", "か"), ("sub/b.png", "が")]
    assert "(of labels.csv)" in found.understood


def test_a_table_may_say_what_folders_mean(tmp_path, picture):
    for name in ("0/1.png", "1/1.png", "2/1.png"):
        picture(f"set/{name}")
    table = tmp_path / "set" / "map.csv"
    table.write_text("index,codepoint,char\n0,U+304A,お\n1,U+304D,き\n", encoding="utf-8")
    found = find_labelled(tmp_path / "set", str(table))
    assert labels(found) == ["お", "き"] and found.left_out == ("folder '2'",)


def test_labels_of_a_table_that_make_no_sense_are_named(tmp_path, picture):
    picture("set/a.png")
    picture("set/b.png")
    table = tmp_path / "labels.tsv"
    table.write_text("a.png\tか\nb.png\tsmudge\nmissing.png\tか\n", encoding="utf-8")
    found = find_labelled(tmp_path / "set", str(table))
    assert labels(found) == ["か", "か"] and found.left_out == ("label 'smudge'",)
    with pytest.raises(ImageError, match="missing.png: no such file"):
        open_image(found.files[1][0])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "two columns"),
        (b"a.png\n", "two columns"),
        (b"a.png,b\nc.png\n", "row 2 lacks a label"),
        (b"\xff\xfe\x81", "UTF-8"),
    ],
)
def test_what_is_no_table_says_so(tmp_path, data, words):
    (tmp_path / "bad.csv").write_bytes(data)
    with pytest.raises(ImageError, match=f"bad.csv: .*{words}"):
        read_table(tmp_path / "bad.csv")


def test_labels_that_are_neither_notation_nor_file(folder):
    with pytest.raises(UsageError, match="--labels nowhere.csv: no such file"):
        find_labelled(folder, "nowhere.csv")


# --- arrays


def glyphs(count, side=28):
    """A bar for each picture, at a height of its own, light on dark."""
    pictures = np.zeros((count, side, side), dtype=np.uint8)
    for index in range(count):
        pictures[index, 4 + index : 8 + index, 5:23] = 255
    return pictures


def write_idx(path, values):
    header = bytes([0, 0, 8, values.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in values.shape)
    data = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte", "train-images.idx3-ubyte"])
def test_idx_files_as_mnist_ships_them(tmp_path, name):
    file = write_idx(tmp_path / name, glyphs(4))
    write_idx(tmp_path / name.replace("images", "labels").replace("idx3", "idx1"), np.array([7, 0, 7, 9]))
    found = find_labelled(file)
    assert labels(found) == ["0", "7", "7", "9"]
    assert "if the class numbers are no digits" in found.understood
    assert (np.asarray(open_image(found.files[1][0])) == glyphs(4)[0]).all()
    assert found.name(found.files[0][0]) == f"{name}#1" and found.root == tmp_path
    assert (read_image(found.files[2][0], 32) == read_image(_png(tmp_path, glyphs(4)[2]), 32)).all()


def _png(folder, values):
    Image.fromarray(values).save(folder / "one.png")
    return folder / "one.png"


def test_npz_files_as_kmnist_ships_them(tmp_path):
    np.savez_compressed(tmp_path / "kmnist-test-imgs.npz", glyphs(3))
    np.savez_compressed(tmp_path / "kmnist-test-labels.npz", np.array([9, 0, 4], dtype=np.uint8))
    found = find_labelled(tmp_path / "kmnist-test-imgs.npz")
    assert labels(found) == ["お", "な", "を"] and "class numbers (0 is お)" in found.understood
    assert labels(find_labelled(tmp_path)) == ["お", "な", "を"]
    assert labels(find_labelled(tmp_path, "index:あいうえかきくけこ漢")) == ["あ", "か", "漢"]


def test_a_class_map_beside_the_arrays_is_used(tmp_path):
    file = write_idx(tmp_path / "train-images-idx3-ubyte.gz", glyphs(2))
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.array([1, 0]))
    (tmp_path / "kmnist_classmap.csv").write_text("index,codepoint,char\n0,U+304A,お\n1,U+304D,き\n", encoding="utf-8")
    found = find_labelled(file)
    assert labels(found) == ["お", "き"] and "kmnist_classmap.csv" in found.understood


def test_kuzushiji_49(tmp_path):
    np.savez_compressed(tmp_path / "k49-test-imgs.npz", glyphs(3))
    np.savez_compressed(tmp_path / "k49-test-labels.npz", np.array([48, 44, 12]))
    assert labels(find_labelled(tmp_path / "k49-test-imgs.npz")) == ["す", "ゐ", "ゝ"]


def test_one_file_with_all_arrays_as_keras_has_it(tmp_path):
    arrays = {"x_train": glyphs(2), "y_train": np.array([3, 1]), "x_test": glyphs(1) / 255.0, "y_test": np.array([2])}
    np.savez(tmp_path / "mnist.npz", **arrays)
    found = find_labelled(tmp_path / "mnist.npz")
    assert [(path.name, label) for path, label in found.files] == [
        ("mnist.npz#x_train:1", "1"), ("mnist.npz#x_test:0", "2"), ("mnist.npz#x_train:0", "3"),
    ]  # fmt: skip
    assert (np.asarray(open_image(found.files[1][0])) == glyphs(1)[0]).all()


def test_class_numbers_above_nine_need_their_characters(tmp_path):
    np.savez(tmp_path / "set-imgs.npz", glyphs(3))
    np.savez(tmp_path / "set-labels.npz", np.array([0, 11, 5]))
    with pytest.raises(ImageError, match="class numbers need --labels index:CHARACTERS"):
        find_labelled(tmp_path / "set-imgs.npz")
    found = find_labelled(tmp_path / "set-imgs.npz", "index:hiragana")
    assert labels(found) == ["ぁ", "う", "が"]


def test_several_array_files_in_a_folder_are_named(tmp_path):
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", glyphs(1))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.array([1]))
    with pytest.raises(ImageError, match="name one of these files: t10k-images.*, train-images"):
        find_labelled(tmp_path)


def test_damaged_and_unfit_arrays_are_named(tmp_path):
    def refused(name, words):
        with pytest.raises(ImageError, match=f"{words}") as caught:
            find_labelled(tmp_path / name)
        assert "\n" not in str(caught.value)

    whole = write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", glyphs(3))
    refused(whole.name, "its labels is missing")
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.array([1]))
    refused(whole.name, "1 labels for the 3 pictures")
    whole.write_bytes(whole.read_bytes()[:-20])
    refused(whole.name, "t10k-images-idx3-ubyte.gz: damaged")
    whole.write_bytes(gzip.compress(b"hello, this is text"))
    refused(whole.name, "does not begin as an IDX file")
    whole.write_bytes(b"no gzip at all")
    refused(whole.name, "t10k-images-idx3-ubyte.gz: damaged")
    (tmp_path / "x-imgs.npz").write_bytes(b"PK no zip")
    refused("x-imgs.npz", "x-imgs.npz: damaged")
    np.savez(tmp_path / "y.npz", first=glyphs(1), second=glyphs(1))
    refused("y.npz", "holds the arrays first, second")
    np.savez(tmp_path / "o.npz", images=np.array([object()], dtype=object), labels=np.array([1]))
    refused("o.npz", "not arrays of numbers")
    with pytest.raises(ImageError, match="gone.npz: no such file"):
        open_image(tmp_path / "gone.npz#3")
    np.savez(tmp_path / "z.npz", images=glyphs(1), labels=np.array([1]))
    with pytest.raises(ImageError, match="only 1 pictures"):
        open_image(tmp_path / "z.npz#images:3")
