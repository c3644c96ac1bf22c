"""Defines every error that kanatui raises on purpose.

::

    KanatuiError                    exit status 1: a file, the machine or a state is at fault
    ├── UsageError                  exit status 2: the command line is at fault
    ├── ParameterError              a plugin's or recipe's parameter is unknown or out of range
    ├── RecipeError                 a recipe file cannot be read or is invalid
    ├── FontError                   a face is unknown, missing or lacks a character
    ├── ImageMagickError            ImageMagick is missing or failed, or another program has its name
    ├── PluginError                 a plugin cannot be found, trusted, loaded or run
    ├── DatasetError                a data set is missing, incomplete, damaged or from another version
    ├── RunError                    a training run is missing, running, or in the wrong state
    ├── WeightsError                a weights file is missing, damaged or does not fit
    ├── ImageError                  a picture cannot be read
    │   ├── NoInkError              it is blank
    │   └── SheetError              a sheet cannot be printed, or not be found in a picture
    ├── EngineError                 the app's background work failed, or its process died
    │   └── Superseded              a newer request replaced this one
    └── StorageError                the disk is full, read-only or not writable

Messages are one line, name the file, option or plugin, and say what to do next. The command line prints
them without a traceback (``--debug`` shows it). Whatever foreign text is in them becomes harmless
(:func:`kanatui.core.harmless.harmless`).
"""

from kanatui.core.harmless import harmless


class KanatuiError(Exception):
    """Base of all errors meant for the user; ``str(error)`` is one harmless line."""

    exit_status = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(harmless(message))


class UsageError(KanatuiError):
    """The command line, or a spec in it, is invalid."""

    exit_status = 2


class ParameterError(KanatuiError):
    """A parameter is unknown, of the wrong type, or out of range; the message names ``plugin.param``."""


class RecipeError(KanatuiError):
    """A recipe cannot be read or contradicts itself."""


class FontError(KanatuiError):
    """A face is unknown, not installed, or cannot draw the characters asked for."""


class ImageMagickError(KanatuiError):
    """ImageMagick is missing, timed out or reported an error, or another program has its name."""


class PluginError(KanatuiError):
    """A plugin is missing, untrusted, broken, or failed while it ran."""


class DatasetError(KanatuiError):
    """A data set is missing, unfinished, damaged, or was written by another version."""


class RunError(KanatuiError):
    """A run does not exist, is still running, or is in a state that forbids the action."""


class WeightsError(KanatuiError):
    """A weights file is missing, damaged, or does not fit the model that it names."""


class ImageError(KanatuiError):
    """A picture is missing, truncated, too large, or not a picture."""


class NoInkError(ImageError):
    """A picture can be opened, but it is blank."""


class StorageError(KanatuiError):
    """Writing failed: disk full, read-only, or no permission."""


class SheetError(ImageError):
    """A sheet of boxes cannot be drawn, or a picture shows none that can be read without doubt; says why."""


class EngineError(KanatuiError):
    """A job in an engine failed, or the engine's process died.

    ``details`` helps to debug it: the traceback, or the end of the process's output.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class Superseded(EngineError):  # noqa: N818  # not a failure
    """A newer request replaced this one; nothing is wrong."""
