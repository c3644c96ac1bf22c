"""Declares plugin parameters: recipes, the command line and the screens read the same declaration.

A declaration is a class attribute; on an instance the attribute is the value::

    class Blur(Pixel):
        id = "blur"
        sigma = Range((0.0, 1.2), min=0.0, max=8.0, unit="px at 64", help="drawn uniformly")

    Blur(sigma=(0.5, 1.0)).sigma      # (0.5, 1.0)
    Blur.sigma.max                    # 8.0
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from typing_extensions import override

from kanatui.core.errors import ParameterError
from kanatui.core.harmless import harmless

T = TypeVar("T")

_LONGEST_LABEL = 60


@dataclasses.dataclass(frozen=True)
class Parameter(abc.ABC, Generic[T]):
    """A named, typed, bounded value. ``check`` takes values from TOML, ``parse`` takes typed text."""

    default: T
    min: float | None = None
    max: float | None = None
    step: float | None = None
    unit: str = ""
    label: str = ""
    help: str = ""
    name: str = dataclasses.field(default="", init=False)

    kind: ClassVar[str] = "value"

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "name", name)
        label = self.label or name.replace("_", " ")
        object.__setattr__(self, "label", harmless(label, _LONGEST_LABEL))
        object.__setattr__(self, "help", harmless(self.help))

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = instance.__dict__.get(self.name, self.default)
        return value

    @abc.abstractmethod
    def check(self, value: Any) -> T:
        """Return ``value`` as the parameter's type, or raise ValueError saying what is allowed."""

    @abc.abstractmethod
    def parse(self, text: str) -> T:
        """Parse a value as typed after ``--set plugin.param=``; ValueError says what is allowed."""

    def format(self, value: T) -> str:
        """Return ``value`` as text that ``parse`` accepts."""
        return str(value)

    def describe(self) -> dict[str, Any]:
        """Return the declaration as plain data, for ``--json`` and for forms."""
        fields = {key: value for key, value in dataclasses.asdict(self).items() if value not in (None, "")}
        return {"type": self.kind, **fields}

    def allowed(self) -> str:
        """Return in a few words what it takes: ``16 to 512 px``; "" if that is any text."""
        ends = [_end(end) if end is not None else "" for end in (self.min, self.max)]
        if all(ends):
            text = " to ".join(ends)
        else:
            text = f"{'from' if ends[0] else 'up to'} {ends[0] or ends[1]}" if any(ends) else ""
        return f"{text} {self.unit}".strip()

    def _bounded(self, number: float) -> None:
        if self.min is not None and number < self.min:
            raise ValueError(f"{number:g} is below the minimum, {_end(self.min)}")
        if self.max is not None and number > self.max:
            raise ValueError(f"{number:g} is above the maximum, {_end(self.max)}")


def _end(number: float) -> str:
    """Return the end of a range as text; the largest seed is shown with all its digits."""
    return f"{int(number):,}" if float(number).is_integer() else f"{number:.15g}"


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _typed_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number" if text.strip() else "empty: a number is needed") from None


@dataclasses.dataclass(frozen=True)
class Int(Parameter[int]):
    """A whole number."""

    kind: ClassVar[str] = "int"

    @override
    def check(self, value: Any) -> int:
        number = _number(value)
        if not number.is_integer():
            raise ValueError(f"{value!r} is not a whole number")
        self._bounded(number)
        return int(number)

    @override
    def parse(self, text: str) -> int:
        return self.check(_typed_number(text))


@dataclasses.dataclass(frozen=True)
class Float(Parameter[float]):
    """A real number."""

    kind: ClassVar[str] = "float"

    @override
    def check(self, value: Any) -> float:
        number = _number(value)
        self._bounded(number)
        return number

    @override
    def parse(self, text: str) -> float:
        return self.check(_typed_number(text))

    @override
    def format(self, value: float) -> str:
        return f"{value:g}"


@dataclasses.dataclass(frozen=True)
class Bool(Parameter[bool]):
    """True or false."""

    kind: ClassVar[str] = "bool"
    words: ClassVar[Mapping[str, bool]] = {
        "true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False,
    }  # fmt: skip

    @override
    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is neither true nor false")
        return value

    @override
    def parse(self, text: str) -> bool:
        if text.lower() not in self.words:
            raise ValueError(f"{text!r} is neither true nor false")
        return self.words[text.lower()]

    @override
    def allowed(self) -> str:
        return "on or off"

    @override
    def format(self, value: bool) -> str:
        return "true" if value else "false"


@dataclasses.dataclass(frozen=True)
class Choice(Parameter[str]):
    """One of a few words."""

    choices: tuple[str, ...] = ()
    kind: ClassVar[str] = "choice"

    @override
    def check(self, value: Any) -> str:
        if value not in self.choices:
            raise ValueError(f"{value!r} is not one of {', '.join(self.choices)}")
        return str(value)

    @override
    def parse(self, text: str) -> str:
        return self.check(text)

    @override
    def allowed(self) -> str:
        return ", ".join(self.choices)


@dataclasses.dataclass(frozen=True)
class Range(Parameter[tuple[float, float]]):
    """An interval ``[low, high]`` from which values are drawn; typed as ``low..high``. One number is both ends."""

    kind: ClassVar[str] = "range"

    @override
    def check(self, value: Any) -> tuple[float, float]:
        pair = value if isinstance(value, list | tuple) else (value, value)
        if len(pair) != 2:
            raise ValueError(f"{value!r} is not a pair [low, high]")
        low, high = _number(pair[0]), _number(pair[1])
        self._bounded(low)
        self._bounded(high)
        if low > high:
            raise ValueError(f"low {low:g} is above high {high:g}")
        return low, high

    @override
    def parse(self, text: str) -> tuple[float, float]:
        parts = text.split("..")
        if len(parts) > 2:
            raise ValueError(f"{text!r} is not of the form low..high")
        return self.check([_typed_number(part) for part in (parts * 2)[:2]])

    @override
    def allowed(self) -> str:
        return f"low..high, {super().allowed()}".strip(" ,")

    @override
    def format(self, value: tuple[float, float]) -> str:
        return f"{value[0]:g}..{value[1]:g}"


@dataclasses.dataclass(frozen=True)
class Numbers(Parameter[tuple[float, ...]]):
    """A list of numbers, each giving one image in a grid; typed as ``1,2,3`` or ``120..248:8``."""

    kind: ClassVar[str] = "numbers"

    @override
    def check(self, value: Any) -> tuple[float, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"{value!r} is not a list of numbers")
        numbers = tuple(_number(item) for item in value)
        for number in numbers:
            self._bounded(number)
        return numbers

    @override
    def parse(self, text: str) -> tuple[float, ...]:
        if ".." not in text:
            return self.check([_typed_number(part) for part in text.split(",")])
        span, _, step_text = text.partition(":")
        low, high = (_typed_number(part) for part in span.split("..", 1))
        step = _typed_number(step_text or "1")
        if step <= 0 or high < low:
            raise ValueError(f"{text!r} is not of the form low..high:step")
        return self.check([low + step * i for i in range(int((high - low) / step + 1e-9) + 1)])

    @override
    def allowed(self) -> str:
        return f"1,2,3 or low..high:step, {super().allowed()}".strip(" ,")

    @override
    def format(self, value: tuple[float, ...]) -> str:
        return ",".join(f"{number:g}" for number in value)


@dataclasses.dataclass(frozen=True)
class Text(Parameter[str]):
    """A line of text."""

    kind: ClassVar[str] = "text"

    @override
    def check(self, value: Any) -> str:
        if not isinstance(value, str) or len(value.splitlines()) > 1:
            raise ValueError(f"{value!r} is not a line of text")
        return value

    @override
    def parse(self, text: str) -> str:
        return self.check(text)


@dataclasses.dataclass(frozen=True)
class FilePath(Text):
    """A file or folder that exists, as an absolute path; "" for none. What is typed may be relative or begin with ~."""

    kind: ClassVar[str] = "path"

    @override
    def check(self, value: Any) -> str:
        text = super().check(value)
        if not text:
            return text
        path = Path(text).expanduser()
        if not path.is_absolute():
            raise ValueError(f"{text!r} is relative, and so depends on where kanatui was started: give the whole path")
        if not path.exists():
            raise ValueError(f"{text}: no such file or folder")
        return str(path)

    @override
    def parse(self, text: str) -> str:
        return self.check(str(Path(text).expanduser().absolute()) if text else text)

    @override
    def allowed(self) -> str:
        return "a file or folder"


@dataclasses.dataclass(frozen=True)
class Words(Parameter[tuple[str, ...]]):
    """A list of words; typed as ``one,two``."""

    kind: ClassVar[str] = "words"

    @override
    def check(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
            raise ValueError(f"{value!r} is not a list of words")
        return tuple(value)

    @override
    def parse(self, text: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in text.split(",") if word.strip())

    @override
    def format(self, value: tuple[str, ...]) -> str:
        return ",".join(value)


class Configurable:
    """Base of everything with parameters: values are passed by keyword, checked, and then immutable.

    Raises :class:`ParameterError`, naming ``id.param``, for unknown names and values out of range.
    """

    id: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        declared = self.parameters()
        for name, value in values.items():
            if name not in declared:
                known = ", ".join(declared) or "none"
                raise ParameterError(f"{self.id}.{name}: no such parameter (it has: {known})")
            try:
                self.__dict__[name] = declared[name].check(value)
            except ValueError as error:
                raise ParameterError(f"{self.id}.{name}: {error}") from None

    @classmethod
    def parameters(cls) -> dict[str, Parameter[Any]]:
        """Return the declarations by name, in the order of their definition."""
        found: dict[str, Parameter[Any]] = {}
        for base in reversed(cls.__mro__):
            found |= {name: value for name, value in vars(base).items() if isinstance(value, Parameter)}
        return found

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """Parse ``text`` as parameter ``name``; :class:`ParameterError` if there is none or the text is invalid."""
        declared = cls.parameters()
        if name not in declared:
            raise ParameterError(f"{cls.id}.{name}: no such parameter (it has: {', '.join(declared) or 'none'})")
        try:
            return declared[name].parse(text)
        except ValueError as error:
            raise ParameterError(f"{cls.id}.{name}: {error}") from None

    @property
    def values(self) -> dict[str, Any]:
        """Every parameter's value, including defaults."""
        return {name: getattr(self, name) for name in self.parameters()}

    @override
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.values == other.values

    @override
    def __hash__(self) -> int:
        return hash((type(self), tuple(self.values.items())))

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.values.items())})"
