"""The configurations of runs side by side: one setting a line, and which of them differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kanatui.core.errors import KanatuiError
from kanatui.core.units import counted
from kanatui.kana.sets import parse_characters
from kanatui.training.columns import APP, Facts

NOT_SET = "–"
"""Stands where a run does not have a setting that another has."""

_RESULTS = ("standing", "elapsed", "images", "strict", "folded", "real", "device")
"""The columns of the list of runs that begin a comparison."""

_LONGEST = 48
"""Characters; a longer list is shown by its number of members, and what not all runs have in common."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A line of the comparison."""

    name: str
    """Its path in the configuration: ``train.batch_size``, ``recipe.augment.rotate.degrees``."""
    texts: tuple[str, ...]
    """Its value in each run."""
    result: bool = False
    """Whether it is how the run went, and no setting."""

    @property
    def differs(self) -> bool:
        """Whether not all runs have the same."""
        return len(set(self.texts)) > 1

    @property
    def group(self) -> str:
        """What it is about: ``result``, or the first part of its path."""
        return "result" if self.result else self.name.partition(".")[0]


def compare(runs: Sequence[Facts]) -> list[Setting]:
    """Return how each of some runs went, and all settings that any of them has, in the order of their files."""
    columns = {column.name: column for column in APP}
    results = [
        Setting(columns[name].heading, tuple(columns[name].text(facts) or NOT_SET for facts in runs), result=True)
        for name in _RESULTS
    ]
    results = [result for result in results if set(result.texts) != {NOT_SET}]
    found = [dict(_settings(facts.config)) for facts in runs]
    return [*results, *(Setting(name, _texts([each.get(name) for each in found])) for name in _names(found))]


def different(settings: Sequence[Setting]) -> list[Setting]:
    """Return those that differ, and how the runs went in any case."""
    return [setting for setting in settings if setting.result or setting.differs]


def _names(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return all names; one that only a later run has comes after what is before it there."""
    names: list[str] = []
    for each in found:
        place = 0
        for name in each:
            if name in names:
                place = names.index(name) + 1
            else:
                names.insert(place, name)
                place += 1
    return names


# ── flattening ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings of a configuration by their paths."""
    source = config.get("source")
    source = source if isinstance(source, Mapping) else {}
    if name := config.get("recipe"):
        yield "recipe", name
    if "dataset" in source:
        yield "dataset", source["dataset"]
    for part in ("train", "model", "adapt"):
        yield from _flat(part, config.get(part, {}))
    recipe = source.get("recipe")
    if isinstance(recipe, Mapping):
        yield from _of_recipe(recipe)
    known = ("recipe", "train", "model", "adapt", "source", "name", "created")
    for name in config:
        if name not in known:
            yield from _flat(name, config[name])


def _of_recipe(recipe: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    apart = ("name", "description", "train", "augment", "source", "characters", "faces")
    if "characters" in recipe:
        yield "recipe.characters", _characters(recipe["characters"])
    if isinstance(faces := recipe.get("faces"), list | tuple):
        yield "recipe.faces", _Members(faces, "face", ", ")
    for name, value in recipe.items():
        if name not in apart:
            yield from _flat(f"recipe.{name}", value)
    for table in recipe.get("source") or []:
        if isinstance(table, Mapping):
            settings = {key: value for key, value in table.items() if key != "plugin"}
            yield from _flat(f"source.{table.get('plugin')}", settings)
    steps = [step for step in recipe.get("augment") or [] if isinstance(step, Mapping)]
    yield "recipe.augment", tuple(str(step.get("plugin")) for step in steps)
    seen: dict[str, int] = {}
    for step in steps:
        plugin = str(step.get("plugin"))
        seen[plugin] = seen.get(plugin, 0) + 1
        name = plugin if seen[plugin] == 1 else f"{plugin} ({seen[plugin]})"
        yield from _flat(f"augment.{name}", {key: value for key, value in step.items() if key != "plugin"})


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{path}.{name}", inner)
    else:
        yield path, value


def _characters(spec: Any) -> Any:
    try:
        return _Members(parse_characters(spec), "character", "")
    except (KanatuiError, TypeError, AttributeError):
        return spec


@dataclasses.dataclass(frozen=True)
class _Members:
    """What a long list holds."""

    all: Sequence[Any]
    noun: str
    between: str

    def text(self, common: frozenset[Any], alone: bool) -> str:
        """Return the members, or if they are too many, their number and those that not all runs have."""
        whole = self.between.join(map(str, self.all))
        if len(whole) <= _LONGEST:
            return whole or "none"
        count = counted(len(self.all), self.noun)
        rest = [str(member) for member in self.all if member not in common]
        if alone or not rest:
            return count
        return f"{count}, among them {self.between.join(rest)}"


def _members(value: Any) -> _Members | None:
    if isinstance(value, _Members):
        return value
    if isinstance(value, list | tuple):
        return _Members([_plain(each) for each in value], "value", ", ")
    return None


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    """Return a setting's value in each run as text."""
    lists = [members for value in values if (members := _members(value)) is not None]
    common = frozenset.intersection(*(frozenset(each.all) for each in lists)) if lists else frozenset()
    alone = len(lists) < 2
    return tuple(_text(value, common, alone) for value in values)


def _text(value: Any, common: frozenset[Any], alone: bool) -> str:
    if value is None:
        return NOT_SET
    members = _members(value)
    return members.text(common, alone) if members else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value != "" else "none"
