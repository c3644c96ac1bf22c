"""Fills sheets and photographs them, seeded: perspective, curled paper, lenses, shadows, blur, noise and JPEG.

It needs no printer and no camera, and knows where each box is in the picture.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from kanatui.kana.alphabet import SMALL
from kanatui.pictures.sheets.finding import Points, corners_of, fit_homography, project
from kanatui.pictures.sheets.layout import BOX, Page, Rectangle

Ink = npt.NDArray[np.float32]
"""What is written into a box, cropped: float32 [h, w], 0 paper to 1 ink."""
Picture = npt.NDArray[np.uint8]

_BLOCK = 24  # px in which a curled page is taken for flat
_SMALL_SHARE = 0.6  # of a normal kana's size


@dataclasses.dataclass(frozen=True)
class Scene:
    """How a page is photographed."""

    name: str
    long_side: int = 3000
    """Of the picture, in pixels."""
    roll: float = 0.0
    """Degrees clockwise."""
    tilt: tuple[float, float] = (0.0, 0.0)
    """Degrees, about the picture's horizontal and vertical axis."""
    curl: float = 0.0
    """Of the paper: 1 / radius, in 1 / metres; positive towards the camera."""
    curl_axis: float = 0.0
    """Degrees; 0 curls the sides, 90 top and bottom."""
    lens: float = 0.0
    """Radial distortion at the corner of the picture, as a share; negative is a barrel."""
    blur: float = 0.5
    """Standard deviation in pixels."""
    shadow: float = 0.0
    """Share of the light that a hand takes away."""
    noise: float = 2.0
    """Standard deviation in grey levels."""
    quality: int = 92
    """Of the JPEG."""
    light: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of red, green and blue."""
    grey: bool = False
    """Whether the printer, or the scanner, knows no colour."""
    covered: tuple[int, ...] = ()
    """Corners that something lies on."""


SCENES = (
    Scene("flat scan", 3508, blur=0.4, noise=1.0, quality=95),
    Scene("grey scan, turned", 2400, roll=91.5, grey=True, noise=2.0),
    Scene("phone, from above", 4000, roll=2.0, tilt=(3.0, -2.0), lens=-0.01),
    Scene("leaning, warm light", 3200, roll=-7.0, tilt=(14.0, 5.0), light=(1.0, 0.9, 0.72), shadow=0.15),
    Scene("upside down, a soft shadow", 2800, roll=183.0, tilt=(-8.0, 6.0), shadow=0.35),
    Scene("from the side, noisy", 2600, roll=12.0, tilt=(22.0, -16.0), noise=7.0, blur=0.8),
    Scene("curled sides", 3000, roll=4.0, tilt=(12.0, 4.0), curl=2.0, shadow=0.2),
    Scene("wide lens, a hard shadow", 2800, roll=-20.0, tilt=(10.0, 12.0), lens=-0.06, shadow=0.55),
    Scene("small and soft", 1600, roll=45.0, tilt=(8.0, 0.0), blur=0.9, quality=75, noise=4.0),
    Scene("curled top and bottom, leaning", 2400, roll=95.0, tilt=(20.0, 10.0), curl=-2.5, curl_axis=80.0, shadow=0.3),
    Scene("very small", 1250, roll=-3.0, tilt=(6.0, 6.0), blur=0.6, quality=70, noise=4.0, shadow=0.2),
    Scene("dim, 1000 pixels, leaning", 1000, roll=8.0, tilt=(18.0, 8.0), blur=0.5, quality=70, noise=4.0, shadow=0.4,
          light=(0.5, 0.45, 0.36)),
)  # fmt: skip
"""From easy to hard."""


@dataclasses.dataclass(frozen=True, eq=False)
class Photographed:
    """A photo, and where the boxes are in it."""

    jpeg: bytes
    outlines: tuple[Points, ...]
    """Corners of each box, [4, 2] pixels each, clockwise from the box's own top left."""


def fill(
    printed: Picture,
    page: Page,
    written: Mapping[int, Ink],
    rng: np.random.Generator,
    ticked: Sequence[int] = (),
    pen: tuple[int, int, int] = (28, 30, 44),
) -> Picture:
    """Write into the boxes of a printed page.

    Args:
        printed: the page, uint8 [H, W, 3].
        page: its layout.
        written: the ink for each place that is filled in.
        rng: where chance comes from: size and place in the box.
        ticked: places whose small square is ticked.
        pen: its colour.
    """
    scale = printed.shape[1] / page.paper.width
    ink = np.zeros(printed.shape[:2], dtype=np.float32)
    for place, shape in written.items():
        share = rng.uniform(0.62, 0.8) * (_SMALL_SHARE if page.characters[place] in SMALL else 1.0)
        factor = share * BOX * scale / max(shape.shape)
        size = [max(1, round(edge * factor)) for edge in shape.shape[::-1]]
        drawn = np.asarray(Image.fromarray(shape).resize((size[0], size[1]), Image.Resampling.BICUBIC))
        left, top, right, bottom = page.box(place)
        x = ((left + right) / 2 + rng.normal(0.0, 0.4)) * scale - drawn.shape[1] / 2
        y = ((top + bottom) / 2 + rng.normal(0.0, 0.4)) * scale - drawn.shape[0] / 2
        area = ink[round(y) : round(y) + drawn.shape[0], round(x) : round(x) + drawn.shape[1]]
        np.maximum(area, drawn, out=area)
    for place in ticked:
        _tick(ink, page.tick(place), scale, rng)
    coloured = np.asarray(pen, dtype=np.float32) / 255
    return (printed * (1 - ink[..., None] * (1 - coloured))).round().astype(np.uint8)


def _tick(ink: Ink, square: Rectangle, scale: float, rng: np.random.Generator) -> None:
    left, top, right, bottom = square
    points = [(left + 0.5, (top + bottom) / 2), ((left + right) / 2, bottom - 0.6), (right + 0.3, top - 0.3)]
    moved = [(x + rng.normal(0, 0.15), y + rng.normal(0, 0.15)) for x, y in points]
    drawn = Image.new("L", ink.shape[::-1])
    ImageDraw.Draw(drawn).line([(x * scale, y * scale) for x, y in moved], 255, round(0.5 * scale))
    np.maximum(ink, np.asarray(drawn, dtype=np.float32) / 255, out=ink)


def photograph(filled: Picture, page: Page, scene: Scene, seed: int) -> Photographed:
    """Photograph a page that lies on a table."""
    rng = np.random.default_rng(seed)
    size = _size(page, scene)
    see = _camera(page, scene, size)
    x, y = (np.append(np.arange(0, end, _BLOCK), end) for end in size)
    place = _inverse(see, page, np.stack(np.meshgrid(x, y), axis=-1).astype(np.float64))
    scale = filled.shape[1] / page.paper.width
    source = Image.fromarray(filled)
    finer = scale / float(np.linalg.norm(np.diff(see(np.array([[100.0, 150.0], [101.0, 150.0]])), axis=0)))
    if finer > 1.2:
        source = source.filter(ImageFilter.GaussianBlur(finer * 0.35))
    if scene.grey:
        source = source.convert("L").convert("RGB")
    mesh = [
        (
            (int(x[i]), int(y[j]), int(x[i + 1]), int(y[j + 1])),
            tuple((place[[j, j + 1, j + 1, j], [i, i, i + 1, i + 1]] * scale).ravel().tolist()),
        )
        for j in range(len(y) - 1)
        for i in range(len(x) - 1)
    ]
    seen = source.transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    paper = Image.new("L", source.size, 255).transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    picture = _table((size[1], size[0]), rng)
    np.copyto(
        picture, np.asarray(seen, dtype=np.float32) * np.float32(0.93), where=(np.asarray(paper) > 127)[..., None]
    )
    for corner in scene.covered:
        _cover(picture, see(corners_of(page.code(corner))))
    picture *= _lighting(picture.shape[:2], scene, rng)[..., None] * np.array(scene.light, dtype=np.float32)
    clean = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(scene.blur))
    grain = rng.standard_normal((size[1], size[0], 1), dtype=np.float32) * np.float32(scene.noise)
    data = io.BytesIO()
    noisy = np.clip(np.asarray(clean) + grain, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(data, "JPEG", quality=scene.quality)
    outlines = tuple(see(corners_of(page.box(number))) for number in range(len(page.characters)))
    return Photographed(data.getvalue(), outlines)


def _cover(picture: npt.NDArray[np.float32], corners: Points) -> None:
    """Lay a thumb on a code."""
    middle, size = corners.mean(axis=0), float(np.ptp(corners, axis=0).max())
    mask = Image.new("1", picture.shape[1::-1])
    ends = [*(middle - 0.6 * size).tolist(), *(middle + 0.6 * size).tolist()]
    ImageDraw.Draw(mask).ellipse(ends, fill=1)
    picture[np.asarray(mask)] = (196, 150, 128)


def overlap(one: Points, other: Points) -> float:
    """Return the share of two quadrangles' union that both cover (IoU), 0 … 1."""
    both = np.concatenate([one, other])
    low, fine = both.min(axis=0) - 1, 800 / max(float(np.ptp(both, axis=0).max()), 1e-6)
    masks = []
    for outline in (one, other):
        drawn = Image.new("1", (840, 840))
        ImageDraw.Draw(drawn).polygon([tuple(point) for point in ((outline - low) * fine).tolist()], fill=1)
        masks.append(np.asarray(drawn))
    union = float((masks[0] | masks[1]).sum())
    return float((masks[0] & masks[1]).sum()) / union if union else 0.0


def _size(page: Page, scene: Scene) -> tuple[int, int]:
    """Return width and height of the picture: as the paper lies in it, to the nearest quarter turn."""
    lying = round(scene.roll / 90) % 2
    short = round(scene.long_side * 0.75)
    return (scene.long_side, short) if lying else (short, scene.long_side)


Map = Callable[[Points], Points]


def _camera(page: Page, scene: Scene, size: tuple[int, int]) -> Map:
    """Return the map from millimetres on the page to pixels: a page that just fits into the picture."""
    middle = np.array([page.paper.width, page.paper.height]) / 2
    turned = _rotation(2, scene.roll)
    leaning = _rotation(0, scene.tilt[0]) @ _rotation(1, scene.tilt[1])
    axis = np.array([np.cos(np.radians(scene.curl_axis)), np.sin(np.radians(scene.curl_axis))])
    distance = 420.0

    def flat(points: Points) -> Points:
        at = points - middle
        along = at @ axis
        if scene.curl:
            bend = scene.curl / 1000
            at = at + ((np.sin(along * bend) / bend) - along)[:, None] * axis
            height = (1 - np.cos(along * bend)) / bend
        else:
            height = np.zeros(len(at))
        space = np.column_stack([at, -height]) @ (leaning @ turned).T
        seen = space[:, :2] / (1 + space[:, 2:] / distance)
        far = (seen**2).sum(axis=1, keepdims=True) / (middle**2).sum()
        return np.asarray(seen * (1 + scene.lens * far))

    edges = corners_of((0.0, 0.0, page.paper.width, page.paper.height))
    edge = np.concatenate([np.linspace(a, b, 20) for a, b in zip(edges, np.roll(edges, -1, axis=0), strict=True)])
    around = flat(edge)
    low, high = around.min(axis=0), around.max(axis=0)
    zoom = float((np.array(size) / (high - low)).min() * 0.96)
    shift = np.array(size) / 2 - (low + high) / 2 * zoom
    return lambda points: flat(points) * zoom + shift


def _rotation(axis: int, degrees: float) -> Points:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    first, second = [number for number in range(3) if number != axis]
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


def _inverse(see: Map, page: Page, pixels: Points) -> Points:
    """Return the places on the page that pixels [..., 2] show, in millimetres, by Newton's method."""
    wanted = pixels.reshape(-1, 2)
    edges = corners_of((0.0, 0.0, page.paper.width, page.paper.height))
    place = project(fit_homography(see(edges), edges), wanted)
    margin = np.array([40.0, 40.0])
    for _ in range(8):
        place = np.clip(place, -margin, np.array([page.paper.width, page.paper.height]) + margin)
        here = see(place)
        right, down = (see(place + delta) - here for delta in (np.array([0.1, 0.0]), np.array([0.0, 0.1])))
        error = wanted - here
        area = right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]
        place = place + 0.1 * np.column_stack(
            [
                (error[:, 0] * down[:, 1] - error[:, 1] * down[:, 0]) / area,
                (right[:, 0] * error[:, 1] - right[:, 1] * error[:, 0]) / area,
            ]
        )
    return place.reshape(pixels.shape)


def _table(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Draw wood, more or less."""
    grain = ndimage.uniform_filter1d(rng.standard_normal(shape, dtype=np.float32), 60, axis=1) * 60
    return np.asarray(grain[..., None] + np.array([120, 88, 60], dtype=np.float32))


def _lighting(shape: tuple[int, ...], scene: Scene, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the light on each pixel: uneven, and the shadow of a hand."""
    v, u = (part.astype(np.float32) / max(shape) for part in np.ogrid[0 : shape[0], 0 : shape[1]])
    angle = rng.uniform(0, 2 * np.pi)
    light = 1.0 - 0.12 * ((u - u.mean()) * np.cos(angle) + (v - v.mean()) * np.sin(angle) + 0.3)
    if scene.shadow:
        turn = rng.uniform(0, 2 * np.pi)
        across = (u - u.mean()) * np.cos(turn) + (v - v.mean()) * np.sin(turn)
        wavy = across + 0.04 * np.sin(9 * (u + v) + turn)
        light *= 1 - scene.shadow / (1 + np.exp(-(wavy - 0.05) * 160))
    return np.asarray(light, dtype=np.float32)
