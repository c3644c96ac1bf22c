"""The model that ships with kanatui: `default.safetensors` in this folder, made by `kanatui models export`."""

from __future__ import annotations

from pathlib import Path

from kanatui.core.errors import WeightsError

DEFAULT = "default"
"""What commands and screens call it."""

DEFAULT_FILE = Path(__file__).parent / "default.safetensors"


def default_weights() -> Path:
    """Return the file of the model that ships. WeightsError if this installation has none."""
    if not DEFAULT_FILE.is_file():
        raise WeightsError("no model ships with this kanatui; kanatui train makes one, --model latest uses it")
    return DEFAULT_FILE
