"""A model as a graph that other programs run: ONNX, and the programs of torch.export.

Both take ``images``, float32 [n, 1, S, S], 0 black … 1 white, white ink on black; and give ``logits`` and
``probabilities``, float32 [n, C], the latter calibrated with the model's temperature.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from typing_extensions import override

from kanatui.core.errors import UsageError, WeightsError
from kanatui.model.card import KEY, one_line
from kanatui.pictures.prepare import FILL

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier

Floats = npt.NDArray[np.float32]
Runner = Callable[[Floats], tuple[Floats, Floats]]
"""Runs a graph on images, float32 [n, 1, S, S]: logits and probabilities, float32 [n, C]."""

_NEEDED = {"onnx": "onnx", "onnxruntime": "onnxruntime", "onnxscript": "onnxscript"}

PREPARATION = (
    f"One character per image: float32 [n, 1, S, S], 0 black to 1 white, white ink on black. The ink is scaled so that "
    f"its longer side fills {FILL} of the frame, with its proportions kept, and centred. The calibrated probabilities "
    f"are softmax(logits / temperature). Certainty is 1 - H / ln C, with H the entropy of softmax(logits) and C the "
    f"number of characters; below the threshold the image is probably none of them."
)
"""What a program must do before and after, in words, for the metadata of a graph."""


class _Whole(nn.Module):
    """A network that also gives calibrated probabilities."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    @override
    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.network(images)
        return logits, torch.softmax(logits / self.temperature, dim=1)


def require_onnx() -> None:
    """Raise UsageError if one of the packages that write and check ONNX is missing."""
    missing = [package for module, package in _NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        install = f"pip install {' '.join(missing)}"
        raise UsageError(f"ONNX needs {', '.join(missing)}: {install} (or install kanatui with its extra, export)")


def facts(classifier: Classifier, card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a program needs to know besides the graph, and the whole card."""
    return {
        "labels": list(classifier.characters),
        "image_size": classifier.image_size,
        "temperature": classifier.calibration.temperature,
        "threshold": classifier.calibration.threshold,
        "preparation": PREPARATION,
        KEY: dict(card),
    }


def onnx_bytes(classifier: Classifier, about: Mapping[str, Any]) -> bytes:
    """Return a model as an ONNX file: any number of images, what :func:`facts` returned in its metadata, as JSON.

    Raises:
        UsageError: a package is missing.
        WeightsError: the network cannot be written as ONNX.
    """
    require_onnx()
    with _quiet(), _explained(classifier):
        program = torch.onnx.export(
            _whole(classifier),
            (_example(classifier),),
            dynamo=True,
            input_names=["images"],
            output_names=["logits", "probabilities"],
            dynamic_shapes={"images": {0: torch.export.Dim("n")}},
            verbose=False,
        )
        assert program is not None
        proto = program.model_proto
    for part in (*proto.graph.input, *proto.graph.output, *proto.graph.node):  # torch's notes on its own source
        del part.metadata_props[:]
    for value in proto.graph.value_info:
        del value.metadata_props[:]
    proto.producer_name = KEY
    with_facts(proto, about)
    return bytes(proto.SerializeToString())


def with_facts(proto: Any, about: Mapping[str, Any]) -> None:
    """Replace the metadata of an ONNX model."""
    del proto.metadata_props[:]
    for key, value in about.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        proto.metadata_props.add(key=key, value=text)


def run_onnx(data: bytes) -> Runner:
    """Return what runs an ONNX file with ONNX Runtime, on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def run(images: Floats) -> tuple[Floats, Floats]:
        logits, probabilities = session.run(["logits", "probabilities"], {"images": images})
        return logits, probabilities

    return run


def int8_bytes(data: bytes, images: Floats, about: Mapping[str, Any]) -> bytes:
    """Quantise an ONNX file to 8 bits: weights by channel, activations by their range on some images.

    Args:
        data: the file, as :func:`onnx_bytes` returned it.
        images: float32 [n, 1, S, S], like those that will be read; not those that the result is scored on.
        about: what :func:`facts` returned.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = iter(np.array_split(images, max(1, len(images) // 32)))

        def get_next(self) -> dict[str, Floats] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"images": batch}

    with tempfile.TemporaryDirectory(prefix="kanatui-") as folder, _quiet():
        target = Path(folder, "int8.onnx")
        quantize_static(
            onnx.load_from_string(data),
            target,
            Images(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        proto = onnx.load(target)
    with_facts(proto, about)
    return bytes(proto.SerializeToString())


def program_bytes(classifier: Classifier, about: Mapping[str, Any]) -> bytes:
    """Return a model as a program of torch.export, for any number of images; facts in its extra file `model.json`.

    WeightsError if the network cannot be traced.
    """
    with _quiet(), _explained(classifier):
        shapes = {"images": {0: torch.export.Dim("n")}}
        program = torch.export.export(_whole(classifier), (_example(classifier),), dynamic_shapes=shapes)
        data = io.BytesIO()
        torch.export.save(program, data, extra_files={"model.json": json.dumps(about, ensure_ascii=False, default=str)})
    return data.getvalue()


def run_program(data: bytes) -> Runner:
    """Return what runs a program of torch.export."""
    with _quiet():
        module = torch.export.load(io.BytesIO(data)).module()

    def run(images: Floats) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            logits, probabilities = module(torch.from_numpy(images))
        return logits.numpy(), probabilities.numpy()

    return run


def _whole(classifier: Classifier) -> nn.Module:
    return _Whole(classifier.network, classifier.calibration.temperature).eval()


def _example(classifier: Classifier) -> torch.Tensor:
    return torch.zeros(2, 1, classifier.image_size, classifier.image_size)


@contextlib.contextmanager
def _explained(classifier: Classifier) -> Iterator[None]:
    """Turn whatever torch raises about a network into a WeightsError."""
    try:
        yield
    except Exception as error:  # a model plugin may do anything in its forward
        model = classifier.card["model"]["id"]
        raise WeightsError(f"model {model} cannot be exported as a graph ({one_line(error)})") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' remarks about themselves from the user."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
