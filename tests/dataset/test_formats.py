"""Data sets in other formats: what is written, and that it comes back as it was through the libraries that read it."""

import gzip
import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from kanatui.cli import run
from kanatui.core.errors import DatasetError, StorageError
from kanatui.dataset.formats import FORMATS
from kanatui.dataset.imported import Picture, write_imported
from kanatui.dataset.read import find_dataset, open_dataset
from tests.helpers.tiny import TinySource

SOURCE = TinySource(counts=12)
LAST = np.arange(len(SOURCE))[SOURCE.offsets[-2] :]
PARTS = {"train": np.arange(0, len(SOURCE) - len(LAST)), "test": LAST}


def export(name, out, source=SOURCE, parts=PARTS, **params):
    FORMATS[name].export(source, out, {"parts": parts, **params})
    return out


@pytest.fixture
def written(home):
    """A data set on disk with the images of the source."""
    images = SOURCE.images(np.arange(len(SOURCE)))
    shown = [SOURCE.characters[label] for label in SOURCE.labels(np.arange(len(SOURCE)))]
    pictures = (Picture(character, "tiny", image) for character, image in zip(shown, images, strict=True))
    write_imported("tiny", pictures, len(images), 16, "of a test")
    return images


def test_the_articles_tree_has_the_names_that_its_programs_read(tmp_path):
    out = export("article", tmp_path / "tree", parts=None)
    index = json.loads((out / "index.yml").read_text())
    assert index["number"] == 12
    assert index["characters"][0] == {"code": ord("か"), "character": "か"}
    entity = index["characters"][3]
    path = out / f"images/{entity['code']}_{entity['character']}/{entity['character']}_12.png"
    assert (np.asarray(Image.open(path)) == SOURCE.images([SOURCE.offsets[3] + 11])[0]).all()
    assert len(list(out.rglob("*.png"))) == len(SOURCE)


def test_an_imagefolder_has_its_parts_and_characters(tmp_path):
    out = export("imagefolder", tmp_path / "tree")
    assert sorted(path.name for path in (out / "train").iterdir()) == sorted(
        f"U+{ord(c):04X}" for c in "かがさざたやゃへ"
    )
    (only,) = (out / "test").iterdir()
    assert only.name == "U+30D8" and len(list(only.iterdir())) == 12
    assert not list(export("imagefolder", tmp_path / "one", parts=None).glob("train"))


def test_npz_holds_arrays_and_what_the_classes_are(tmp_path):
    with np.load(export("npz", tmp_path / "all.npz"), allow_pickle=False) as arrays:
        assert (arrays["x_train"] == SOURCE.images(PARTS["train"])).all()
        assert (arrays["y_test"] == 8).all() and arrays["x_test"].shape == (12, 16, 16)
        assert "".join(arrays["characters"]) == SOURCE.characters


def test_idx_has_the_names_and_bytes_of_mnist(tmp_path):
    out = export("idx", tmp_path / "idx")
    assert sorted(path.name for path in out.iterdir()) == [
        "classmap.csv", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
        "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    ]  # fmt: skip
    data = gzip.decompress((out / "train-images-idx3-ubyte.gz").read_bytes())
    assert data[:16] == bytes.fromhex("00000803 00000060 00000010 00000010")
    assert data[16:] == SOURCE.images(PARTS["train"]).tobytes()
    assert gzip.decompress((out / "t10k-labels-idx1-ubyte.gz").read_bytes()) == bytes.fromhex(
        "00000801 0000000c"
    ) + bytes([8] * 12)
    again = export("idx", tmp_path / "again")
    assert all((again / path.name).read_bytes() == path.read_bytes() for path in out.iterdir())


def test_idx_refuses_more_classes_than_a_byte_tells_apart(tmp_path):
    many = TinySource(counts=1, characters="".join(map(chr, range(0x4E00, 0x4E00 + 257))))
    with pytest.raises(DatasetError, match="too few for 257 characters; use npz"):
        export("idx", tmp_path / "idx", source=many, parts=None)
    assert list(tmp_path.glob("*idx*")) == []


def test_parquet_has_the_features_that_datasets_reads(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow, of the extra parquet")
    out = export("parquet", tmp_path / "rows")
    assert sorted(path.name for path in out.iterdir()) == [
        "test-00000-of-00001.parquet",
        "train-00000-of-00001.parquet",
    ]
    table = parquet.read_table(out / "test-00000-of-00001.parquet")
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"] == {"names": list(SOURCE.characters), "_type": "ClassLabel"}
    row = table.to_pylist()[5]
    assert (row["label"], row["number"], row["face"]) == (8, 5, "three")
    assert (np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))) == SOURCE.images([LAST[5]])[0]).all()


def test_webdataset_shards_hold_shuffled_samples(tmp_path, monkeypatch):
    monkeypatch.setattr("kanatui.dataset.formats.rows._SAMPLES", 40)
    out = export("webdataset", tmp_path / "shards")
    assert [path.name for path in sorted(out.glob("train-*"))] == [f"train-{n:06d}.tar" for n in range(3)]
    with tarfile.open(out / "train-000001.tar") as archive:
        names = archive.getnames()
        assert names[:3] == ["000000040.png", "000000040.cls", "000000040.json"] and len(names) == 120
        classes = [int(archive.extractfile(name).read()) for name in names if name.endswith(".cls")]
        about = json.loads(archive.extractfile("000000040.json").read())
        picture = np.asarray(Image.open(archive.extractfile("000000040.png")))
    assert len(set(classes)) > 4, "shuffled"
    place = SOURCE.characters.index(about["character"])
    assert classes[0] == place
    assert (picture == SOURCE.images([SOURCE.offsets[place] + about["number"]])[0]).all()
    assert (out / "classes.txt").read_text().split() == list(SOURCE.characters)


def test_hugging_face_datasets_reads_what_is_written(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="needs Hugging Face datasets, which CI installs apart")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    cache = str(tmp_path / "cache")
    read = datasets.load_dataset(str(export("parquet", tmp_path / "rows")), cache_dir=cache)
    row = read["test"][5]
    assert read["test"].features["label"].int2str(row["label"]) == "ヘ"
    assert (np.asarray(row["image"]) == SOURCE.images([LAST[5]])[0]).all()
    tree = datasets.load_dataset("imagefolder", data_dir=str(export("imagefolder", tmp_path / "tree")), cache_dir=cache)
    assert tree["train"].features["label"].names[0] == "U+304B" and len(tree["test"]) == 12


def test_webdataset_reads_what_is_written(tmp_path):
    webdataset = pytest.importorskip("webdataset", reason="needs webdataset, of the extra dev")
    out = export("webdataset", tmp_path / "shards")
    shards = webdataset.WebDataset(str(out / "test-000000.tar"), shardshuffle=False)
    samples = list(shards.decode("l8").to_tuple("png", "cls", "json"))
    assert len(samples) == 12
    for picture, label, about in samples:
        assert label == 8 and (picture == SOURCE.images([LAST[about["number"]]])[0]).all()


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "webdataset"])
def test_what_is_exported_can_be_imported_pixel_for_pixel(written, tmp_path, name, capsys):
    if name == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow, of the extra parquet")
    out = tmp_path / f"out{FORMATS[name].suffix}"
    assert run(["export", "dataset", "tiny", name, "-o", str(out), "--hold-out", "0.25"]) == 0
    assert f"wrote {out}: 108 images" in capsys.readouterr().out.replace("\n", " ")
    assert run(["import", str(out), "--name", "back", "--as-is"]) == 0
    back = open_dataset(find_dataset("back"))
    labels = back.labels(np.arange(len(back)))
    assert sorted(back.characters) == sorted(SOURCE.characters) and back.counts.tolist() == [12] * 9
    for label, character in enumerate(back.characters):
        own = {image.tobytes() for image in back.images(np.flatnonzero(labels == label))}
        first = 12 * SOURCE.characters.index(character)
        assert own == {image.tobytes() for image in written[first : first + 12]}


def test_the_test_part_is_what_a_training_holds_out(written, tmp_path):
    from kanatui.training.splits import split_source

    assert run(["export", "dataset", "tiny", "npz", "-o", str(tmp_path / "x.npz"), "--hold-out", "0.25"]) == 0
    source = open_dataset(find_dataset("tiny"))
    held = split_source(source, 0.25).held_out
    with np.load(tmp_path / "x.npz") as arrays:
        expected = np.concatenate([held.of(label) for label in range(len(source.characters))])
        assert (arrays["x_test"] == source.images(expected)).all() and len(expected) == 27


def test_nothing_is_replaced_and_nothing_half_done_is_left(written, tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "precious").touch()
    assert run(["export", "dataset", "tiny", "idx", "-o", str(tmp_path / "taken")]) == 1
    assert "taken: exists already; name another file or folder" in " ".join(capsys.readouterr().err.split())
    assert run(["export", "dataset", "tiny", "jpg"]) == 2
    assert "exported as: article, imagefolder, npz, idx" in capsys.readouterr().err
    assert run(["export", "dataset", "tiny", "idx", "--hold-out-faces", "klee-*", "-o", str(tmp_path / "x")]) == 2
    assert "--hold-out-faces: no face 'klee-*'" in capsys.readouterr().err
    broken = TinySource(counts=12, fail_at=30)
    for name in ("idx", "npz", "imagefolder"):
        with pytest.raises(ValueError):
            export(name, tmp_path / f"broken{FORMATS[name].suffix}", source=broken, parts=None)
    with pytest.raises(StorageError):
        export("idx", tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "taken"]


def test_help_lists_every_format(capsys):
    assert run(["export", "dataset", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{each.name} {each.help}" in shown for each in FORMATS.values())
