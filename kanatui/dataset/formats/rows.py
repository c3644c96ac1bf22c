"""Files of records, each an image with its label: Parquet for Hugging Face `datasets`, tar shards for WebDataset."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kanatui.core import storage
from kanatui.core.rng import mix64
from kanatui.dataset.formats.parts import ALL, Batch, Parts
from kanatui.pictures.parquet import require_pyarrow

_ROWS = 100_000
"""Records in a Parquet file; of 64 px they take about 100 MB."""

_SAMPLES = 10_000
"""Samples in a tar shard: enough shards for each worker of a reader to have its own."""


def write_parquet(parts: Parts, folder: Path) -> None:
    """Write `train-00000-of-00001.parquet` and so on, as `datasets.load_dataset(FOLDER)` reads them.

    Columns: ``image`` (PNG bytes and a path, the `Image` feature), ``label`` (the `ClassLabel` feature, with the
    characters as its names), ``face`` and ``number``. The features are in the schema's metadata under ``huggingface``.

    Raises:
        UsageError: pyarrow is missing.
    """
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(parts.source.characters)
    for part, indices in parts.indices.items():
        named = "train" if part == ALL else part  # `datasets` calls a data set with one part so
        files = max(1, -(-len(indices) // _ROWS))
        for number in range(files):
            file = folder / f"{named}-{number:05d}-of-{files:05d}.parquet"
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                for batch in parts.batches(part, number * _ROWS, (number + 1) * _ROWS):
                    writer.write_table(pa.Table.from_pylist(list(_records(parts, batch)), schema))


def _schema(characters: str) -> Any:
    import pyarrow as pa

    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(characters), "_type": "ClassLabel"},
        "face": {"dtype": "string", "_type": "Value"},
        "number": {"dtype": "int64", "_type": "Value"},
    }
    picture = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    columns = {"image": picture, "label": pa.int64(), "face": pa.string(), "number": pa.int64()}
    told = json.dumps({"info": {"features": features}}, ensure_ascii=False)
    return pa.schema(columns, metadata={"huggingface": told})


def _records(parts: Parts, batch: Batch) -> Iterator[dict[str, Any]]:
    rows = zip(batch.pngs(), batch.labels.tolist(), batch.faces, batch.numbers.tolist(), strict=True)
    for data, label, face, number in rows:
        path = f"U+{ord(parts.source.characters[label]):04X}-{number:06d}.png"
        yield {"image": {"bytes": data, "path": path}, "label": label, "face": face, "number": number}


def write_webdataset(parts: Parts, folder: Path) -> None:
    """Write `train-000000.tar` and so on, and `classes.txt`, a character a line.

    A sample is `KEY.png`, `KEY.cls` (its class number) and `KEY.json` (character, face, number). Samples are shuffled,
    always in the same way, because shards are read from their beginning.
    """
    storage.write_bytes(folder / "classes.txt", "".join(f"{c}\n" for c in parts.source.characters).encode())
    mixed = {
        part: indices[np.argsort(mix64(indices.astype(np.uint64)), kind="stable")]
        for part, indices in parts.indices.items()
    }
    parts = dataclasses.replace(parts, indices=mixed)
    for part, indices in mixed.items():
        named = "train" if part == ALL else part
        for shard, start in enumerate(range(0, len(indices), _SAMPLES)):
            file = folder / f"{named}-{shard:06d}.tar"
            with tarfile.open(file, "w") as archive:
                for key, sample in enumerate(_samples(parts, part, start, start + _SAMPLES), start=start):
                    for end, data in sample.items():
                        _add(archive, f"{key:09d}.{end}", data)


def _samples(parts: Parts, part: str, first: int, end: int) -> Iterator[dict[str, bytes]]:
    for batch in parts.batches(part, first, end):
        rows = zip(batch.pngs(), batch.labels.tolist(), batch.faces, batch.numbers.tolist(), strict=True)
        for data, label, face, number in rows:
            about = {"character": parts.source.characters[label], "face": face, "number": number}
            yield {"png": data, "cls": str(label).encode(), "json": json.dumps(about, ensure_ascii=False).encode()}


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
