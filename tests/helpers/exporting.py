"""A model as it is exported: an untrained network of a few weights, and images to check it with."""

import numpy as np
import torch

from kanatui.evaluation.portable.check import Labelled
from kanatui.evaluation.portable.graph import facts
from kanatui.evaluation.portable.write import Subject
from kanatui.model.calibration import Calibration
from kanatui.model.weights import Classifier
from tests.helpers.tiny import CHARACTERS, TinyModel, TinySource


def tiny_subject(module=None, count=64):
    torch.manual_seed(1)
    card = Calibration(0.5, 0.125, 40, "held_out").in_card({"model": {"id": "tiny_cnn", "parameters": {}}, "run": "7"})
    module = (module or TinyModel().build(16, len(CHARACTERS))).eval()
    classifier = Classifier(module, CHARACTERS, 16, card, torch.device("cpu"))
    source = TinySource()
    chosen = np.arange(0, len(source), len(source) // count)[:count]
    labelled = Labelled(source.images(chosen), source.labels(chosen), "of a test")
    return Subject(classifier, facts(classifier, card), *labelled.divided(0.75))
