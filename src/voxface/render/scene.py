"""What a picture is taken with: camera, light, materials, and every matrix of it. GL and rasteriser share this.

Axes as everywhere (SPEC C4); matrices multiply columns. Lights stand in the camera's axes (x to the right of the
picture, y up, z to the viewer), so that every camera sees a well lit face.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from voxface.errors import UsageError
from voxface.face.axes import rotation_matrix
from voxface.stream import Array

Triple = tuple[float, float, float]

FIELD_OF_VIEW_DEG = 24.0
NEAREST_M, FARTHEST_M = 0.05, 6.0
LARGEST_SHIFT_M = 0.03  # of the head along each axis; what is beyond is the sitter's place, not a movement
SHADOW_REACH_M = 0.25  # from the origin: what can throw a shadow
SHADOW_PIXELS = 256  # a side of the depth map that the key light sees
SHADOW_STEP = 0.0072  # between the 4 x 4 places where a point asks the map, as a share of its side: soft edges
SHADOW_OFF_M = 0.004  # a point asks from that far above its surface, so that a surface does not shade itself
SMALLEST, LARGEST = 16, 4096  # pixels of a side


@dataclass(frozen=True, slots=True)
class Camera:
    """Where a picture is taken from.

    yaw_deg, pitch_deg: around the head, to the subject's left and up. at: the point it looks at, in metres.
    height_m: what the picture's smaller side shows there.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 2.0
    height_m: float = 0.35
    at: Triple = (0.0, 0.009, 0.01)


CAMERAS: dict[str, Camera] = {
    "front": Camera(),
    "three-quarter": Camera(yaw_deg=35, pitch_deg=4),
    "profile": Camera(yaw_deg=88),
    "mouth": Camera(height_m=0.13, at=(0.0, -0.045, 0.08)),
}


@dataclass(frozen=True, slots=True)
class Light:
    """Colours of lights are linear RGB; the names are those of the shader's uniforms.

    key, fill, rim: their colours. key_from, fill_from, rim_from: where they stand, in the camera's axes.
    above, below: the light of the room on what looks up and down. glint_from: the window that eyes mirror.
    exposure: how much light the picture takes.
    top, bottom: colours of the background, as they are shown. vignette: how much darker the corners are, 0 to 1.
    """

    key: Triple = (2.9, 2.55, 2.2)
    key_from: Triple = (-0.62, 0.62, 0.62)
    fill: Triple = (0.20, 0.26, 0.36)
    fill_from: Triple = (0.9, 0.05, 0.45)
    rim: Triple = (2.2, 2.4, 2.8)
    rim_from: Triple = (0.65, 0.45, -0.6)
    above: Triple = (0.30, 0.35, 0.43)
    below: Triple = (0.16, 0.11, 0.09)
    glint_from: Triple = (-0.40, 0.42, 0.85)
    exposure: float = 0.68
    top: Triple = (0.44, 0.49, 0.55)
    bottom: Triple = (0.22, 0.25, 0.30)
    vignette: float = 0.30


LIGHTS: dict[str, Light] = {
    "studio": Light(),
    "soft": Light(
        key=(2.0, 1.86, 1.72), key_from=(-0.45, 0.55, 0.75), fill=(0.36, 0.38, 0.42), rim=(0.8, 0.8, 0.8),
        above=(0.48, 0.50, 0.54), below=(0.26, 0.21, 0.19), top=(0.90, 0.91, 0.92), bottom=(0.76, 0.77, 0.79),
        vignette=0.12,
    ),
    "dark": Light(
        key=(2.7, 2.15, 1.7), key_from=(-0.85, 0.45, 0.40), fill=(0.03, 0.05, 0.11), rim=(2.4, 3.2, 5.0),
        above=(0.05, 0.07, 0.12), below=(0.04, 0.03, 0.03), top=(0.13, 0.14, 0.17), bottom=(0.05, 0.05, 0.07),
    ),
}  # fmt: skip


class Material(NamedTuple):
    """How a part answers light.

    wrap: how far round the edge of the shadow each colour of light creeps; red goes furthest through skin.
    gloss, shine: sharpness (exponent) and strength of the key light's mirror image. glint: strength of the window's.
    two_sided: seen from behind too.
    """

    wrap: Triple
    gloss: float
    shine: float
    glint: float = 0.0
    two_sided: bool = False


MATERIALS: dict[str, Material] = {
    "skin": Material((0.40, 0.20, 0.14), 20.0, 0.07),
    "eyes": Material((0.25, 0.22, 0.20), 200.0, 0.4, glint=0.9),
    "mouth": Material((0.20, 0.10, 0.08), 60.0, 0.25),
    "hair": Material((0.10, 0.10, 0.10), 16.0, 0.05, two_sided=True),
    "cloth": Material((0.20, 0.20, 0.20), 8.0, 0.015),
}


@dataclass(frozen=True, slots=True)
class View:
    """One camera, one light, one size (width, height) in pixels. Valid from birth.

    Raises: UsageError: a side is not within SMALLEST to LARGEST pixels.
    """

    size: tuple[int, int] = (512, 512)
    camera: Camera = field(default_factory=Camera)
    light: Light = field(default_factory=Light)

    def __post_init__(self) -> None:
        if not all(SMALLEST <= side <= LARGEST for side in self.size):
            width, height = self.size
            raise UsageError(f"a picture has {SMALLEST} to {LARGEST} pixels a side; {width}x{height} was asked for.")


def view_named(
    camera: str = "front", light: str = "studio", size: tuple[int, int] = (512, 512), background: str | None = None
) -> View:
    """A view of presets; with `background`, "#rrggbb", exactly that colour stands behind the head.

    Raises: UsageError: no such preset or colour; a size out of range.
    """
    for name, known, what in ((camera, CAMERAS, "camera"), (light, LIGHTS, "light")):
        if name not in known:
            raise UsageError(f"there is no {what} {name!r}.", hint=f"Known: {', '.join(known)}.")
    chosen = LIGHTS[light]
    if background is not None:
        colour = colour_of(background)
        chosen = replace(chosen, top=colour, bottom=colour, vignette=0.0)
    return View(size, CAMERAS[camera], chosen)


def colour_of(text: str) -> Triple:
    """ "#rrggbb" as numbers in 0..1. Raises: UsageError: it is none."""
    digits = text.removeprefix("#")
    if len(digits) != 6 or not set(digits.lower()) <= set("0123456789abcdef"):
        raise UsageError(f"{text!r} is no colour.", hint="Give six hexadecimal digits, such as #20242c.")
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


def axes_of(camera: Camera) -> Array:
    """(3, 3): the camera's axes as rows: right, up, towards the viewer."""
    yaw, pitch = np.radians(camera.yaw_deg), np.radians(camera.pitch_deg)
    back = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
    return np.stack([right, np.cross(back, right), back])


def eye_of(view: View) -> Array:
    """(3,): where the camera stands; the smaller side of the picture shows height_m."""
    width, height = view.size
    seen_m = view.camera.height_m * max(1.0, height / width)
    away = seen_m / 2 / np.tan(np.radians(FIELD_OF_VIEW_DEG) / 2)
    eye: Array = np.asarray(view.camera.at) + axes_of(view.camera)[2] * away
    return eye


def camera_matrix(view: View) -> Array:
    """(4, 4) float32: metres -> clip space of OpenGL."""
    look = np.eye(4)
    look[:3, :3] = axes_of(view.camera)
    look[:3, 3] = -look[:3, :3] @ eye_of(view)
    scale, near, far = 1 / np.tan(np.radians(FIELD_OF_VIEW_DEG) / 2), NEAREST_M, FARTHEST_M
    lens = np.zeros((4, 4))
    lens[0, 0], lens[1, 1] = scale * view.size[1] / view.size[0], scale
    lens[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
    lens[3, 2] = -1
    return (lens @ look).astype(np.float32)


def lights_from(view: View) -> dict[str, Array]:
    """Unit vectors to the lights in the head's axes, by the names of Light's fields."""
    light, axes = view.light, axes_of(view.camera)
    places = {name: getattr(light, name) for name in ("key_from", "fill_from", "rim_from", "glint_from")}
    return {name: np.asarray(place) @ axes / np.linalg.norm(place) for name, place in places.items()}


def shadow_matrix(view: View) -> Array:
    """(4, 4) float32: metres -> what the key light sees, -1 to 1 each way; far is 1."""
    towards = lights_from(view)["key_from"]
    across = np.cross([0.0, 1.0, 0.0], towards)
    across /= np.linalg.norm(across)
    matrix = np.eye(4, dtype=np.float32)
    matrix[:3, :3] = np.stack([across, np.cross(towards, across), -towards]) / SHADOW_REACH_M
    return matrix


STILL = np.eye(4, dtype=np.float32)
"""The turn of a head that looks straight ahead."""


def turns(head: Array, middle: Array) -> Array:
    """(n, 7) head poses of a clip -> (n, 4, 4) float32: rotation as it is, position from `middle` (3,), the median
    position of the clip, at most LARGEST_SHIFT_M along each axis."""
    matrices = np.tile(STILL, (len(head), 1, 1))
    matrices[:, :3, :3] = rotation_matrix(head[:, 3:])
    matrices[:, :3, 3] = np.clip(head[:, :3] - middle, -LARGEST_SHIFT_M, LARGEST_SHIFT_M)
    return matrices
