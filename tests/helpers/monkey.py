"""A monkey at the keyboard: random keys and bytes, the same ones for the same seed."""

import asyncio
import itertools
import random
import time
from collections import deque

from tests.helpers.app import burst, make_app
from tests.helpers.processes import LONGEST

SCREENS = ("1", "2", "3", "4")
LETTERS = "abcdefghijklmnopqrstuvwxyzRSIL"
SIGNS = "?!.,+-=_'\"#%;:()[]{}<>@&*^$|\\"
TEXT = ("か", "ガ", "é", "😀", "0", "5", "6", "7", "8", "9", "2500", "-1", "1e9", "ka")
MOVES = ("up", "down", "left", "right", "pageup", "pagedown", "home", "end", "tab", "shift+tab")
DOES = ("enter", "space", "escape", "backspace", "delete")
CONTROL = (*(f"ctrl+{letter}" for letter in "ptaekcvxzl"), "f1", "f5")

TOURS = (
    "1", "1g", "1s", "1.", "1..", "1..a", "1...", "1v", "1b", "2", "2n", "2g", "2a", "2i", "2h", "2l", "2t", "2o", "2d",
    "2s", "2m", "3", "3c", "3m", "3i", "3v", "3e", "4", "4s", "4sl", "4sx", "4so", "4r", "4t", "4a", "4p", "4m", "?",
)  # fmt: skip
"""Ways to the screens and dialogs, so that few keys see them all."""

SIZES = ((80, 24), (120, 40), (20, 5), (80, 12))
"""Columns and lines that the window may have meanwhile."""

PLACES = {"1": "DatasetScreen", "2": "TrainScreen", "3": "EvaluateScreen", "4": "DrawScreen"}

LAST = 80
"""Keys to tell of after a crash."""


class Monkey:
    """Chooses keys. ``last`` has those that it pressed last."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.last = deque(maxlen=LAST)

    def keys(self):
        """Return the next keys, which come all at once."""
        kind, chance = self.random.random(), self.random
        if kind < 0.08:
            keys = ["escape", "escape", "escape", *chance.choice(TOURS)]
        elif kind < 0.16:
            keys = [self.key()] * chance.randint(2, 40)  # held down
        elif kind < 0.30:
            keys = [self.key() for _ in range(chance.randint(2, 30))]
        elif kind < 0.36:
            keys = [*chance.choice(TEXT), chance.choice(("enter", "tab", "escape", "backspace"))]
        else:
            keys = [self.key()]
        self.last.extend(keys)
        return keys

    def key(self):
        pool = self.random.choices((MOVES, DOES, LETTERS, SCREENS, SIGNS, CONTROL), (30, 18, 32, 6, 8, 6))[0]
        return self.random.choice(pool)

    def bytes(self):
        """Return input as a terminal might send it, some of it broken. Ctrl-Q is not in it."""
        one, chance = self.random.randint, self.random
        column, line = one(0, 250), one(0, 90)
        sent = chance.choice(
            [
                lambda: chance.choice("1234?eghilmnoprstvx.,+-\t\r \x7f").encode() * one(1, 8),
                lambda: chance.choice(("\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b")).encode(),
                lambda: bytes(one(0x80, 0xFF) for _ in range(one(1, 6))),
                lambda: bytes(one(0, 0xFF) for _ in range(one(1, 12))),
                lambda: b"\x1b[M" + bytes((one(32, 99), 32 + column % 220, 32 + line)),
                lambda: f"\x1b[<{one(0, 99)};{column};{line}{chance.choice('Mm')}".encode(),
                lambda: "かさガ".encode(chance.choice(("cp932", "euc-jp", "utf-8", "utf-16"))),
                lambda: f"\x1b[{one(0, 10 ** chance.choice((2, 6, 20)))};{one(0, 9)}:{one(0, 9)}u".encode(),
                lambda: b"\x1b[200~" + bytes(one(0, 0xFF) for _ in range(one(0, 40))) + b"\x1b[201~",
                lambda: chance.choice(
                    (b"\x1b[", b"\x1b[<0;5", b"\x1b]52;c;", b"\x1bP", b"\x1b[?1;2c", b"\x1b[I", b"\x1b[O")
                ),
            ]
        )()
        sent = sent.replace(b"\x11", b"")
        self.last.append(sent)
        return sent


def place(app):
    """Where the app is: its screen or dialog, and which part of it."""
    screen = app.screen
    return (type(screen).__name__, *(str(getattr(screen, name)) for name in ("part",) if hasattr(screen, name)))


async def play(seed, size, count, beside=lambda app: None):
    """Press so many keys in the app, which is opened again whenever they leave it; return where they led.

    Fails with the seed and the last keys if the app crashes, or if escape and a screen's key do not lead to the screen
    afterwards. ``beside`` is called every hundred keys.
    """
    monkey, pressed, seen = Monkey(seed), 0, set()
    mode = itertools.cycle(("dataset", "train", "evaluate", "draw"))
    while pressed < count:
        app = make_app(next(mode))
        try:
            async with app.run_test(size=size) as pilot:
                while pressed < count and app.is_running and not app.asked_to_leave:
                    keys = monkey.keys()
                    burst(app, *keys)
                    pressed += len(keys)
                    seen.add(place(app))
                    await _follow(app, monkey)
                    if pressed % 100 < len(keys):
                        beside(app)
                        await pilot.resize_terminal(*monkey.random.choice([*SIZES, size]))
                async for reached in _every_screen(app):
                    seen.add(reached)
                assert app.asked_to_leave or app.is_running, "it ended unasked"
        except Exception as error:
            raise AssertionError(
                f"seed {seed}, {size[0]}×{size[1]}: crashed after {pressed} keys, at {sorted(seen)[-1:]}; "
                f"the last were {list(monkey.last)}"
            ) from error
    return seen


async def _every_screen(app):
    """Go to every screen, as long as nothing has ended the app, and yield where it is."""
    for key, name in PLACES.items():
        deadline = time.monotonic() + LONGEST
        while app.is_running and not app.asked_to_leave and place(app)[0] != name:
            assert time.monotonic() < deadline, f"{place(app)} cannot be left for {name}"
            if not app.key_order.busy:
                burst(app, "escape", key)
            await asyncio.sleep(0.05)
        yield place(app)


async def _follow(app, monkey):
    """Let the app follow, or not: some of the next keys come while it is still busy with these."""
    patience = monkey.random.choice((0, 0, 1, 50))
    for _ in range(patience):
        if not app.key_order.busy or app.asked_to_leave:
            break
        await asyncio.sleep(0.005)
    while app.key_order.waiting > 200 and app.is_running and not app.asked_to_leave:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0)
