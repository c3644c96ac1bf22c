"""Put the character on a slope, higher to the right, as people write on paper without lines."""

from kanatui import Numbers, Placement, Range, hookimpl


class Starter(Placement):
    id = "starter"
    degrees = Range((0.0, 6.0), min=0.0, max=30.0, step=1.0, unit="°", help="how steep the slope is, uniform")
    steps = Numbers((0.0, 3.0, 6.0), min=0.0, max=30.0, unit="°", help="slopes used in a grid")

    def grid(self, table):
        # Every row is multiplied by every value offered.
        return table.cross(rotation=[-step for step in self.steps])

    def draw(self, table, keys):
        # One value for each row; the columns are point_size, dx, dy, rotation, shear and aspect.
        return table.replace(rotation=table["rotation"] - keys.uniform(*self.degrees))


@hookimpl
def kanatui_augmentations():
    return [Starter]
