"""Move the character within the blank space around it."""

import numpy as np

from kanatui import Float, Numbers, Placement, Range, hookimpl
from kanatui.plugins.table import CANVAS


class Shift(Placement):
    id = "shift"
    share = Range((-0.5, 0.5), min=-2.0, max=2.0, step=0.05, unit="of the blank", help="uniform, in x and in y")
    divisors = Numbers((-3.0, 3.0, -2.0, 2.0), min=-64.0, max=64.0, help="a grid uses 0 and blank // divisor")
    least_blank = Float(16.0, min=0.0, max=128.0, unit="of 256", help="least blank for a grid to move the character")

    def grid(self, table):
        # As in the article's Python: -d // 3 rounds towards minus infinity, so it is not the negative of d // 3.
        blank = (CANVAS - table["point_size"]) // 2
        signs, sizes = np.sign(self.divisors), np.abs(self.divisors)
        moves = (signs * blank[:, None]) // sizes
        moves[blank < self.least_blank] = np.nan
        offers = np.column_stack([np.zeros(len(table)), moves])
        return table.cross(dx=offers, dy=offers)

    def draw(self, table, keys):
        blank = np.maximum(CANVAS - table["point_size"], 0) / 2
        return table.replace(dx=keys.uniform(*self.share) * blank, dy=keys.uniform(*self.share) * blank)


@hookimpl
def kanatui_augmentations():
    return [Shift]
