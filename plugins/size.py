"""Set the point size of the character."""

from kanatui import Numbers, Placement, Range, hookimpl


class Size(Placement):
    id = "size"
    points = Range((120.0, 248.0), min=8.0, max=512.0, step=4.0, unit="of 256", help="point size, uniform")
    steps = Numbers(tuple(range(120, 249, 8)), min=8.0, max=512.0, unit="of 256", help="sizes used in a grid")

    def grid(self, table):
        return table.cross(point_size=self.steps)

    def draw(self, table, keys):
        return table.replace(point_size=keys.uniform(*self.points))


@hookimpl
def kanatui_augmentations():
    return [Size]
