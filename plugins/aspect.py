"""Make the character wider or narrower without changing its area."""

from kanatui import Numbers, Placement, Range, hookimpl


class Aspect(Placement):
    id = "aspect"
    ratio = Range((0.8, 1.25), min=0.25, max=4.0, step=0.05, help="width / height, uniform; 1 is as designed")
    steps = Numbers((0.8, 1.0, 1.25), min=0.25, max=4.0, help="ratios used in a grid")

    def grid(self, table):
        return table.cross(aspect=self.steps)

    def draw(self, table, keys):
        return table.replace(aspect=keys.uniform(*self.ratio))


@hookimpl
def kanatui_augmentations():
    return [Aspect]
