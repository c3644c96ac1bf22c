"""A recipe while it is edited: what was changed, and the steps that are ticked off but not forgotten."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tomlkit

from kanatui.core import paths, storage
from kanatui.core.errors import FontError, KanatuiError, RecipeError
from kanatui.dataset.recipe import DEFAULT, Augment, Recipe, find_recipe

if TYPE_CHECKING:
    from kanatui.fonts.faces import Face

_writing = threading.Lock()
"""Held while a draft is written: on a slow disk the next change may come before that is done."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One augmentation of a draft."""

    augment: Augment
    on: bool = True
    """Whether it is ticked; the recipe has only those that are."""


@dataclasses.dataclass(frozen=True)
class Draft:
    """A recipe being edited. Immutable: every change returns a changed copy."""

    origin: Recipe
    """The recipe that it began as, or was last saved as."""
    fields: Mapping[str, Any]
    """Every field of :meth:`Recipe.parameters`, each valid by itself."""
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """Begin with a recipe as it is."""
        return cls(recipe, recipe.values, tuple(Step(augment) for augment in recipe.augments))

    @property
    def changed(self) -> bool:
        """Whether it would make another recipe than the one that it began as."""
        return self._data() != self.origin.to_dict()

    @property
    def off(self) -> list[str]:
        """The plugins of the steps that are ticked off."""
        return [step.augment.plugin for step in self.steps if not step.on]

    def recipe(self, including: int | None = None) -> Recipe:
        """Return the recipe as it stands.

        Args:
            including: a step to have in it even if it is ticked off.

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
        """Return what ``to_dict`` of the recipe gives, whether or not it can be made."""
        fields = {name: _plain(value) for name, value in self.fields.items() if value != "" or name != "description"}
        steps = [step.augment.to_dict() for i, step in enumerate(self.steps) if step.on or i == including]
        name = {"name": self.origin.name} if self.origin.name else {}
        train = {"train": dict(self.origin.train)} if self.origin.train else {}
        return name | fields | {"augment": steps} | train

    # ── changes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def with_field(self, name: str, value: Any) -> Self:
        """Set a field of the recipe."""
        return dataclasses.replace(self, fields={**self.fields, name: value})

    def with_faces(self, known: Sequence[Face], ticked: Iterable[str]) -> Self:
        """Choose faces; as patterns they stay what they were if they mean the same."""
        chosen = frozenset(ticked)
        if chosen and chosen == ticked_faces(known, self.origin.faces):
            return self.with_field("faces", self.origin.faces)
        return self.with_field("faces", face_patterns(known, chosen))

    def with_step(self, index: int, step: Step) -> Self:
        """Put another step in the place of one."""
        return self._with_steps([*self.steps[:index], step, *self.steps[index + 1 :]])

    def toggled(self, index: int) -> Self:
        """Tick a step on or off."""
        return self.with_step(index, dataclasses.replace(self.steps[index], on=not self.steps[index].on))

    def with_value(self, index: int, name: str, value: Any, default: Any) -> Self:
        """Set a parameter of a step, or its probability ``p``; ``default`` is what it is where nothing is set."""
        step = self.steps[index]
        if name == "p":
            return self.with_step(index, dataclasses.replace(step, augment=dataclasses.replace(step.augment, p=value)))
        values = {**step.augment.values, name: value}
        if value == default and not self._stated(step.augment.plugin, name):
            del values[name]  # as it was: changing a value and changing it back is no change
        return self.with_step(
            index, dataclasses.replace(step, augment=dataclasses.replace(step.augment, values=values))
        )

    def _stated(self, plugin: str, name: str) -> bool:
        return any(augment.plugin == plugin and name in augment.values for augment in self.origin.augments)

    def moved(self, index: int, by: int) -> Self:
        """Move a step up (negative) or down, as far as it goes."""
        steps = list(self.steps)
        step = steps.pop(index)
        steps.insert(max(0, min(index + by, len(steps))), step)
        return self._with_steps(steps)

    def added(self, plugin: str, after: int) -> Self:
        """Add a step with its defaults behind another (-1: at the front)."""
        return self._with_steps([*self.steps[: after + 1], Step(Augment(plugin)), *self.steps[after + 1 :]])

    def removed(self, index: int) -> Self:
        """Take a step out."""
        return self._with_steps([*self.steps[:index], *self.steps[index + 1 :]])

    def saved_as(self, recipe: Recipe) -> Self:
        """Count as unchanged from now on; steps that are ticked off stay at hand."""
        return dataclasses.replace(self, origin=recipe)

    def _with_steps(self, steps: Sequence[Step]) -> Self:
        return dataclasses.replace(self, steps=tuple(steps))

    # ── between two sessions ──────────────────────────────────────────────────────────────────────────────────────

    def keep(self) -> None:
        """Write the draft to the configuration folder. StorageError if that fails."""
        data = {
            "origin": self.origin.name,
            "fields": {name: _plain(value) for name, value in self.fields.items()},
            "step": [{"on": step.on, **step.augment.to_dict()} for step in self.steps],
        }
        with _writing:
            storage.make_folder(paths.config())
            storage.write_bytes(_file(), tomlkit.dumps(data).encode())

    @classmethod
    def kept(cls) -> Self:
        """Return the draft of the last session, or the default recipe where there is none that makes sense.

        RecipeError if the default recipe cannot be read either.
        """
        try:
            data = storage.read_toml(_file(), RecipeError)
            draft = cls.of(_origin(str(data["origin"])))
            declared = Recipe.parameters()
            fields = {name: declared[name].check(value) for name, value in data["fields"].items()}
            return dataclasses.replace(draft, fields={**draft.fields, **fields}, steps=_steps(data["step"]))
        except (KanatuiError, KeyError, ValueError, TypeError, AttributeError):
            return cls.of(find_recipe(DEFAULT))


def _origin(name: str) -> Recipe:
    try:
        return find_recipe(name)
    except KanatuiError:  # deleted or broken since; the draft itself is whole
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
    """Return the ids of the faces that the patterns choose; none if there are no patterns or they choose none."""
    from kanatui.fonts.faces import select_faces

    if not patterns:
        return frozenset()
    try:
        return frozenset(face.id for face in select_faces(known, patterns))
    except FontError:
        return frozenset()


def face_patterns(known: Sequence[Face], ticked: Iterable[str]) -> tuple[str, ...]:
    """Return few patterns that choose just these faces: whole styles, all but some, or ids."""
    chosen = frozenset(ticked)
    if not chosen:
        return ()
    styles: dict[str, list[str]] = {}
    for face in known:
        styles.setdefault(face.style, []).append(face.id)
    some: list[str] = []
    all_but = ["*"]
    for style, ids in styles.items():
        on = [id for id in ids if id in chosen]
        off = [f"-{id}" for id in ids if id not in chosen]
        by_style, but_style = [f"style:{style}", *off], [f"-style:{style}", *on]
        some += by_style if len(by_style) <= len(on) else on
        all_but += but_style if len(but_style) < len(off) else off
    return tuple(all_but if len(all_but) <= len(some) else some)
