"""A recipe being edited: its changes, and the unticked steps that are kept."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tomlkit

from kanatui.core import paths, storage
from kanatui.core.errors import FontError, KanatuiError, RecipeError
from kanatui.dataset.recipe import DEFAULT, Augment, Recipe, find_recipe, source_tables

if TYPE_CHECKING:
    from kanatui.fonts.faces import Face

_writing = threading.Lock()
"""Held while a draft is written; on a slow disk the next change may come first."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One augmentation of a draft."""

    augment: Augment
    on: bool = True
    """Whether it is ticked; the recipe contains only ticked steps."""


@dataclasses.dataclass(frozen=True)
class Draft:
    """A recipe being edited. Immutable: every change returns a changed copy."""

    origin: Recipe
    """The recipe it started from, or was last saved as."""
    fields: Mapping[str, Any]
    """Every field of :meth:`Recipe.parameters`; each is valid on its own."""
    steps: tuple[Step, ...]
    sources: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """The parameters that are set of glyph sources, by the plugins' ids."""

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """Make an unchanged draft of a recipe, every step ticked."""
        return cls(recipe, recipe.values, tuple(Step(augment) for augment in recipe.augments), recipe.sources)

    @property
    def changed(self) -> bool:
        """Whether its recipe differs from :attr:`origin`."""
        return self._data() != self.origin.to_dict()

    @property
    def off(self) -> list[str]:
        """The plugins of the unticked steps."""
        return [step.augment.plugin for step in self.steps if not step.on]

    def recipe(self, including: int | None = None) -> Recipe:
        """Return the recipe of the ticked steps.

        Args:
            including: index of a step to include even if it is not ticked.

        Raises:
            ParameterError: the fields contradict each other.
            FontError: no face is ticked.
        """
        if not self.fields["faces"]:
            raise FontError("no face is ticked: tick one under Faces")
        return Recipe.from_dict(self._data(including))

    def position(self, index: int) -> int:
        """Return the place of a step in ``recipe(including=index)``."""
        return sum(step.on for step in self.steps[:index])

    def _data(self, including: int | None = None) -> dict[str, Any]:
        """Return the recipe's ``to_dict``, even if the recipe would be invalid."""
        fields = {name: _plain(value) for name, value in self.fields.items() if value != "" or name != "description"}
        steps = [step.augment.to_dict() for i, step in enumerate(self.steps) if step.on or i == including]
        name = {"name": self.origin.name} if self.origin.name else {}
        train = {"train": dict(self.origin.train)} if self.origin.train else {}
        outliers = {key: value for key, value in self.origin.to_dict().items() if key == "outliers"}
        sources = {"source": source_tables(self.sources)} if self.sources else {}
        return name | fields | {"augment": steps} | sources | outliers | train

    # ── changes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def with_field(self, name: str, value: Any) -> Self:
        """Return a copy with one recipe field set; the value is not checked."""
        return self.with_fields({name: value})

    def with_fields(self, values: Mapping[str, Any]) -> Self:
        """Return a copy with recipe fields set; the values are not checked. Itself if there are none."""
        return dataclasses.replace(self, fields={**self.fields, **values}) if values else self

    def with_faces(self, known: Sequence[Face], ticked: Iterable[str]) -> Self:
        """Return a copy with these faces; the patterns stay as they are if they select the same faces."""
        chosen = frozenset(ticked)
        if chosen and chosen == ticked_faces(known, self.origin.faces):
            return self.with_field("faces", self.origin.faces)
        return self.with_field("faces", face_patterns(known, chosen))

    def with_step(self, index: int, step: Step) -> Self:
        """Return a copy with one step replaced."""
        return self._with_steps([*self.steps[:index], step, *self.steps[index + 1 :]])

    def toggled(self, index: int) -> Self:
        """Return a copy with one step's tick switched."""
        return self.with_step(index, dataclasses.replace(self.steps[index], on=not self.steps[index].on))

    def with_value(self, index: int, name: str, value: Any, default: Any) -> Self:
        """Set a step's parameter or its probability ``p``; ``default`` is the value of a parameter that is not set."""
        step = self.steps[index]
        if name == "p":
            return self.with_step(index, dataclasses.replace(step, augment=dataclasses.replace(step.augment, p=value)))
        values = {**step.augment.values, name: value}
        if value == default and not self._stated(step.augment.plugin, name):
            del values[name]  # so that changing a value and changing it back leaves no change
        return self.with_step(
            index, dataclasses.replace(step, augment=dataclasses.replace(step.augment, values=values))
        )

    def with_source(self, plugin: str, name: str, value: Any, default: Any) -> Self:
        """Set a parameter of a glyph source; ``default`` is its value if it is not set."""
        values = {**self.sources.get(plugin, {}), name: value}
        if value == default and name not in self.origin.sources.get(plugin, {}):
            del values[name]
        sources = {**self.sources, plugin: values}
        return dataclasses.replace(self, sources={id: each for id, each in sources.items() if each})

    def _stated(self, plugin: str, name: str) -> bool:
        return any(augment.plugin == plugin and name in augment.values for augment in self.origin.augments)

    def moved(self, index: int, by: int) -> Self:
        """Move a step up (negative) or down, at most to either end."""
        steps = list(self.steps)
        step = steps.pop(index)
        steps.insert(max(0, min(index + by, len(steps))), step)
        return self._with_steps(steps)

    def added(self, plugin: str, after: int) -> Self:
        """Add a step with default values after step ``after`` (-1: at the front)."""
        return self._with_steps([*self.steps[: after + 1], Step(Augment(plugin)), *self.steps[after + 1 :]])

    def removed(self, index: int) -> Self:
        """Return a copy without a step."""
        return self._with_steps([*self.steps[:index], *self.steps[index + 1 :]])

    def saved_as(self, recipe: Recipe) -> Self:
        """Return an unchanged draft of the saved recipe that keeps the unticked steps."""
        return dataclasses.replace(self, origin=recipe)

    def _with_steps(self, steps: Sequence[Step]) -> Self:
        return dataclasses.replace(self, steps=tuple(steps))

    # ── between two sessions ──────────────────────────────────────────────────────────────────────────────────────

    def keep(self) -> None:
        """Write the draft to the configuration folder. Raises StorageError."""
        data = {
            "origin": self.origin.name,
            "fields": {name: _plain(value) for name, value in self.fields.items()},
            "source": source_tables(self.sources),
            "step": [{"on": step.on, **step.augment.to_dict()} for step in self.steps],
        }
        with _writing:
            storage.make_folder(paths.config())
            storage.write_bytes(_file(), tomlkit.dumps(data).encode())

    @classmethod
    def kept(cls) -> Self:
        """Return the draft of the last session, or the default recipe if there is no valid one.

        Raises RecipeError if the default recipe cannot be read either.
        """
        try:
            data = storage.read_toml(_file(), RecipeError)
            draft = cls.of(_origin(str(data["origin"])))
            declared = Recipe.parameters()
            fields = {name: declared[name].check(value) for name, value in data["fields"].items()}
            sources = Recipe.from_dict({"images_per_character": 1, "source": data.get("source", [])}).sources
            steps = _steps(data["step"])
            return dataclasses.replace(draft, fields={**draft.fields, **fields}, steps=steps, sources=sources)
        except (KanatuiError, KeyError, ValueError, TypeError, AttributeError):
            return cls.of(find_recipe(DEFAULT))


def _origin(name: str) -> Recipe:
    try:
        return find_recipe(name)
    except KanatuiError:  # deleted or damaged since; the draft itself is complete
        return find_recipe(DEFAULT)


def _steps(data: Iterable[Mapping[str, Any]]) -> tuple[Step, ...]:
    entries = [dict(entry) for entry in data]
    on = [entry.pop("on") is True for entry in entries]
    augments = Recipe.from_dict({"images_per_character": 1, "augment": entries}).augments
    return tuple(Step(augment, ticked) for augment, ticked in zip(augments, on, strict=True))


def _file() -> Path:
    return paths.config() / "draft.toml"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


# ── ticks and patterns ────────────────────────────────────────────────────────────────────────────────────────────────


def ticked_faces(known: Sequence[Face], patterns: Sequence[str]) -> frozenset[str]:
    """Return the ids of the faces that the patterns select; empty if there are no patterns or they match nothing."""
    from kanatui.fonts.faces import select_faces

    if not patterns:
        return frozenset()
    try:
        return frozenset(face.id for face in select_faces(known, patterns))
    except FontError:
        return frozenset()


def face_patterns(known: Sequence[Face], ticked: Iterable[str]) -> tuple[str, ...]:
    """Return a short list of patterns that select exactly these faces: whole styles, exclusions, or ids."""
    chosen = frozenset(ticked)
    if not chosen:
        return ()
    styles: dict[str, list[str]] = {}
    for face in known:
        if not face.guest:
            styles.setdefault(face.style, []).append(face.id)
    guests = [face.id for face in known if face.guest and face.id in chosen]  # no pattern but their ids has them
    some: list[str] = []
    all_but = ["*"]
    for style, ids in styles.items():
        on = [id for id in ids if id in chosen]
        off = [f"-{id}" for id in ids if id not in chosen]
        by_style, but_style = [f"style:{style}", *off], [f"-style:{style}", *on]
        some += by_style if len(by_style) <= len(on) else on
        all_but += but_style if len(but_style) < len(off) else off
    return (*(all_but if len(all_but) <= len(some) and styles else some), *guests)
