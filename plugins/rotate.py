"""Turn the character about the canvas centre, as ImageMagick's `-annotate RxR` does."""

from kanatui import Numbers, Placement, Range, hookimpl


class Rotate(Placement):
    id = "rotate"
    degrees = Range((-8.0, 8.0), min=-45.0, max=45.0, step=1.0, unit="°", help="uniform; positive is clockwise")
    steps = Numbers((-4.0, 4.0, -8.0, 8.0), min=-45.0, max=45.0, unit="°", help="angles used in a grid")

    def grid(self, table):
        return table.cross(rotation=self.steps)

    def draw(self, table, keys):
        return table.replace(rotation=keys.uniform(*self.degrees))


@hookimpl
def kanatui_augmentations():
    return [Rotate]
