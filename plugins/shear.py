"""Slant the character to one side, as in italics or hurried handwriting."""

from kanatui import Numbers, Placement, Range, hookimpl


class Shear(Placement):
    id = "shear"
    slant = Range((-0.15, 0.25), min=-1.0, max=1.0, step=0.05, help="tangent, uniform; positive leans right")
    steps = Numbers((-0.15, 0.0, 0.15), min=-1.0, max=1.0, help="tangents used in a grid")

    def grid(self, table):
        return table.cross(shear=self.steps)

    def draw(self, table, keys):
        return table.replace(shear=keys.uniform(*self.slant))


@hookimpl
def kanatui_augmentations():
    return [Shear]
