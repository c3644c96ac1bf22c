"""A source of small, easily told images and a model to match, for tests of training: nothing is rendered."""

from __future__ import annotations

import numpy as np

from kanatui import Float, Int, Model
from kanatui.core.rng import Keys, mix64

CHARACTERS = "かがさざたやゃへヘ"


class TinySource:
    """Each character is a pattern of its own under noise; look-alikes share theirs, small ones are fainter."""

    def __init__(self, counts=40, image_size=16, characters=CHARACTERS, faces=("one", "two", "three"), fail_at=None):
        self.characters = characters
        self.image_size = image_size
        self.face_ids = tuple(faces)
        self.counts = np.broadcast_to(np.asarray(counts, dtype=np.int64), (len(characters),)).copy()
        self.offsets = np.concatenate([[0], np.cumsum(self.counts)])
        self.fail_at = fail_at
        shapes = [ord("へ") if c == "ヘ" else ord("や") if c == "ゃ" else ord(c) for c in characters]
        keys = mix64(np.array(shapes, dtype=np.uint64))
        self.patterns = (Keys(keys).uniform(shape=(image_size // 4, image_size // 4)) > 0.5).repeat(4, 1).repeat(4, 2)
        self.asked = 0

    def __len__(self):
        return int(self.offsets[-1])

    def labels(self, indices):
        return np.searchsorted(self.offsets, np.asarray(indices), side="right") - 1

    def numbers(self, label):
        return np.arange(self.counts[label])

    def faces(self, indices):
        return (np.asarray(indices) - self.offsets[self.labels(indices)]) % len(self.face_ids)

    def images(self, indices):
        indices = np.asarray(indices, dtype=np.int64)
        self.asked += len(indices)
        if self.fail_at is not None and self.fail_at in indices:
            raise ValueError("this source is broken")
        labels = self.labels(indices)
        noise = Keys(mix64(indices.astype(np.uint64))).normal(40.0, shape=(self.image_size, self.image_size))
        ink = np.array([140.0 if c == "ゃ" else 200.0 for c in self.characters], dtype=np.float32)[labels]
        return np.clip(self.patterns[labels] * ink[:, None, None] + noise, 0, 255).astype(np.uint8)

    def spec(self):
        return {"tiny": self.counts.tolist()}


def open_tiny(spec):
    return TinySource(spec["tiny"])


class TinyModel(Model):
    id = "tiny_cnn"
    width = Int(4, min=1, max=10_000)
    dropout = Float(0.2, min=0.0, max=0.9)

    def build(self, image_size, num_classes):
        from torch import nn

        side = (image_size - 2) // 2
        return nn.Sequential(
            nn.Conv2d(1, self.width, 3),
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(self.width, self.width, 3, padding=1),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Flatten(),
            nn.Linear(self.width * side * side, num_classes),
        )
