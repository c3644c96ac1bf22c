"""A form made from declared parameters (:mod:`kanatui.core.params`), as recipes and options use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Checkbox, Input, Label, Select, Static
from typing_extensions import override

from kanatui.core.params import Bool, Choice, Float, Int, Parameter

_STEPS = 20
"""Key presses that take a number from its minimum to its maximum, if no step is declared."""


class NumberInput(Input):
    """A number field. Up and down change it by the declared step."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(1)", "More", show=False),
        Binding("down", "step(-1)", "Less", show=False),
    ]

    def __init__(self, parameter: Parameter[Any], **options: Any) -> None:
        super().__init__(**options)
        self._parameter = parameter

    def action_step(self, direction: int) -> None:
        """Go one step up or down, within the bounds; does nothing if the text is not a number."""
        parameter = self._parameter
        try:
            number = float(parameter.parse(self.value))
        except ValueError:
            return
        number += direction * self._step()
        least = parameter.min if parameter.min is not None else number
        most = parameter.max if parameter.max is not None else number
        number = round(max(least, min(number, most)), 10)
        self.value = parameter.format(int(number) if isinstance(parameter, Int) else number)

    def _step(self) -> float:
        parameter = self._parameter
        if parameter.step is not None:
            return parameter.step
        if isinstance(parameter, Int):
            return 1.0
        if parameter.min is None or parameter.max is None:
            return 1.0
        return (parameter.max - parameter.min) / _STEPS


class Field(Vertical):
    """One parameter: its name, a control, its unit, and below what it means or what is wrong."""

    def __init__(self, parameter: Parameter[Any], value: Any) -> None:
        super().__init__(classes="field")
        self.parameter = parameter
        self._value = value

    @override
    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Label(self.parameter.label, classes="label", markup=False)
            yield self._control()
            yield Label(self.parameter.unit, classes="unit", markup=False)
        yield Static(self.parameter.help, classes="help", markup=False)

    def _control(self) -> Widget:
        parameter, text = self.parameter, self.parameter.format(self._value)
        if isinstance(parameter, Bool):
            return Checkbox("", self._value, compact=True)
        if isinstance(parameter, Choice):
            choices = [(choice, choice) for choice in parameter.choices]
            return Select(choices, value=self._value, allow_blank=False, compact=True)
        if isinstance(parameter, Int | Float):
            return NumberInput(parameter, value=text, compact=True)
        return Input(text, compact=True)

    def mark(self, error: str) -> None:
        """Show below the control what is wrong with its value; "" shows the meaning of the parameter again."""
        self.set_class(bool(error), "invalid")
        # A cross as well as the colour, for those who do not see it.
        self.query_one(".help", Static).update(f"✗ {error}" if error else self.parameter.help)

    def put(self, value: Any) -> None:
        """Show another value."""
        control = self.query_one(".field > Horizontal").children[1]
        if isinstance(control, Input):
            control.value = self.parameter.format(value)
            if not control.has_focus:
                control.cursor_position = 0  # the beginning of a long text says more than its end
        elif isinstance(control, Checkbox | Select):
            control.value = value


class ParameterForm(Vertical):
    """Controls for declared parameters."""

    class Changed(Message):
        """A parameter has a new, valid value."""

        def __init__(self, form: ParameterForm, name: str, value: Any) -> None:
            super().__init__()
            self.form, self.name, self.value = form, name, value

        @property
        @override
        def control(self) -> ParameterForm:
            return self.form

    def __init__(self, declared: Mapping[str, Parameter[Any]], values: Mapping[str, Any], **options: Any) -> None:
        """Build the form.

        Args:
            declared: the parameters by name.
            values: their values; missing ones have their default.
        """
        super().__init__(**options)
        self._declared = dict(declared)
        self.values = {name: values.get(name, parameter.default) for name, parameter in declared.items()}
        """The latest valid value of each parameter."""
        self.errors: dict[str, str] = {}
        """Problems, by parameter."""

    @override
    def compose(self) -> ComposeResult:
        for name, parameter in self._declared.items():
            yield Field(parameter, self.values[name])

    def set_value(self, name: str, value: Any) -> None:
        """Show another value of a parameter, without posting a change."""
        self.values[name] = value
        self._field(name).put(value)

    def reject(self, name: str, error: str) -> None:
        """Mark a value as wrong for a reason that is not in its declaration."""
        self.errors[name] = error
        self._field(name).mark(error)

    def _field(self, name: str) -> Field:
        return next(field for field in self.query(Field) if field.parameter.name == name)

    @on(Input.Changed)
    @on(Checkbox.Changed)
    @on(Select.Changed)
    def _take(self, event: Input.Changed | Checkbox.Changed | Select.Changed) -> None:
        event.stop()
        field = next(node for node in event.control.ancestors if isinstance(node, Field))
        name, parameter = field.parameter.name, field.parameter
        try:
            value = parameter.parse(event.value) if isinstance(event, Input.Changed) else parameter.check(event.value)
        except ValueError as error:
            self.reject(name, str(error))
            return
        if self.errors.pop(name, None) is not None:
            field.mark("")
        if value != self.values[name]:
            self.values[name] = value
            self.post_message(self.Changed(self, name, value))


def checked(declared: Mapping[str, Parameter[Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each parameter: the one given, or the default where it is missing or wrong."""
    found = {}
    for name, parameter in declared.items():
        try:
            found[name] = parameter.check(values.get(name, parameter.default))
        except ValueError:
            found[name] = parameter.default
    return found
