"""Values as their declarations want them, for forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanatui.params import Parameter


def checked(declared: Mapping[str, Parameter[Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each parameter: the one given, or the default where it is missing or wrong."""
    found = {}
    for name, parameter in declared.items():
        try:
            found[name] = parameter.check(values.get(name, parameter.default))
        except ValueError:
            found[name] = parameter.default
    return found
