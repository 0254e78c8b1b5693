"""The head drawn with OpenGL, off screen. One context for all; targets are summed on the CPU, by `posed`.

Summing 52 targets of some 7,000 vertices takes about a millisecond there, and the rasteriser uses the same sums.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np

from voxface.errors import MissingDependencyError
from voxface.head.head import Head, Part, posed
from voxface.render.scene import (
    MATERIALS,
    SHADOW_OFF_M,
    SHADOW_PIXELS,
    SHADOW_STEP,
    View,
    camera_matrix,
    eye_of,
    lights_from,
    shadow_matrix,
)
from voxface.stream import Array

SAMPLES = 4  # per pixel; edges are smoothed

_TURNED = """
#version 330
uniform mat4 turn, sun;
in vec3 place;
in float follow;
vec3 turned() { return mix(place, (turn * vec4(place, 1)).xyz, follow); }
"""

_SHADOW_VERTEX = "void main() { gl_Position = sun * vec4(turned(), 1); }"
_NOTHING = "#version 330\nvoid main() {}"

_VERTEX = f"""
uniform mat4 camera;
uniform sampler2DShadow shadows;
in vec3 normal, colour;
out vec3 at, facing, tint;
out float lit;
void main() {{
    at = turned();
    facing = mix(normal, mat3(turn) * normal, follow);
    tint = colour;
    lit = 0;
    vec3 asks = (sun * vec4(at + normalize(facing) * {SHADOW_OFF_M}, 1)).xyz * 0.5 + 0.5;
    for (int i = 0; i < 16; i++)
        lit += texture(shadows, asks + vec3(vec2(i % 4, i / 4) - 1.5, 0) * {SHADOW_STEP}) / 16;
    gl_Position = camera * vec4(at, 1);
}}
"""
"""How much of the key light a point gets is known at the vertices only: that is soft, and nearly free."""

_SHOWN = """
#version 330
uniform vec2 size;
uniform float vignette;
out vec4 shown;
void show(vec3 colour) {
    vec2 from = gl_FragCoord.xy / size - 0.5;
    shown = vec4(colour * (1 - vignette * smoothstep(0.15, 0.75, dot(from, from) * 1.6)), 1);
}
"""

_BACKGROUND_VERTEX = """
#version 330
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1, 1, 1); }
"""

_BACKGROUND = """
uniform vec3 top, bottom;
void main() { show(mix(bottom, top, smoothstep(0.0, 0.9, gl_FragCoord.y / size.y))); }
"""

_SURFACE = """
uniform vec3 eye, key, key_from, fill, fill_from, rim, rim_from, above, below, glint_from, wrap;
uniform float exposure, gloss, shine, glint;
in vec3 at, facing, tint;
in float lit;
void main() {
    vec3 v = normalize(eye - at), n = normalize(gl_FrontFacing ? facing : -facing);
    vec3 soft = max((dot(n, key_from) + wrap) / (1 + wrap), 0);  // red creeps furthest round the edge of the shadow
    float clear = max(lit, 0);
    vec3 share = vec3(clear * (1.5 - 0.5 * clear), clear, clear);  // and round the edges of shadows that fall on it
    vec3 light = key * share * soft * soft + fill * max(dot(n, fill_from) * 0.5 + 0.5, 0);
    light += mix(below, above, n.y * 0.5 + 0.5);
    float edge = 1 - max(dot(n, v), 0);
    light += rim * (edge * edge * edge * max(dot(n, rim_from) * 0.7 + 0.3, 0));
    float wet = wrap.r > wrap.g ? smoothstep(0.5, 0.7, 1 - tint.g / tint.r) : 0;  // of what is alive, the red: lips
    float mirrored = (1 + 3 * wet) * pow(max(dot(n, normalize(key_from + v)), 0), gloss * (1 + wet));
    float window = smoothstep(0.985, 0.990, dot(n, normalize(glint_from + v)));
    vec3 x = (tint * light + key * (shine * mirrored * clear + glint * window)) * exposure;
    show(x * (6.2 * x + 0.5) / (x * (6.2 * x + 1.7) + 0.06));
}
"""
"""The last line is a film's response with the gamma of a screen in it: Hejl and Burgess-Dawson (2010)."""


@cache
def context() -> Any:
    """The one OpenGL context, off screen.

    Raises: MissingDependencyError: moderngl is not installed, or there is no OpenGL 3.3 here; says which.
    """
    try:
        import moderngl
    except ImportError as error:
        raise MissingDependencyError("moderngl is not installed.", hint="pip install 'voxface[render]'") from error
    backend: dict[str, Any] = {"backend": "egl"} if sys.platform.startswith("linux") else {}  # EGL needs no display
    try:
        made = moderngl.create_context(require=330, standalone=True, **backend)
    except Exception as error:  # moderngl raises plain Exceptions, and OSError for libraries that are not there
        raise MissingDependencyError(f"OpenGL does not start: {error}.") from error
    made.gc_mode = "auto"
    return made


def open_painter(head: Head, view: View) -> GlPainter:
    """A painter of this head in this view.

    Raises: MissingDependencyError: as `context`; or the driver cannot do what is needed.
    """
    gl = context()
    try:
        return GlPainter(gl, head, view)
    except Exception as error:  # shaders that a driver refuses, sizes that it does not have: moderngl.Error and others
        raise MissingDependencyError(f"OpenGL cannot draw this: {error}.") from error


class GlPainter:
    """Draws one head in one view; remembers nothing of the picture before. name: as the driver calls itself."""

    def __init__(self, gl: Any, head: Head, view: View) -> None:
        self._gl, self._view, self.name = gl, view, str(gl.info["GL_RENDERER"])
        self._head_program = gl.program(vertex_shader=_TURNED + _VERTEX, fragment_shader=_SHOWN + _SURFACE)
        self._shadow_program = gl.program(vertex_shader=_TURNED + _SHADOW_VERTEX, fragment_shader=_NOTHING)
        background = gl.program(vertex_shader=_BACKGROUND_VERTEX, fragment_shader=_SHOWN + _BACKGROUND)
        self._parts = [_GlPart(gl, self._head_program, self._shadow_program, part) for part in head.parts]
        self._background = gl.vertex_array(background, [])
        for program in (self._head_program, self._shadow_program, background):
            _fill_in(program, view)
        samples = min(SAMPLES, gl.max_samples)
        depths = gl.depth_renderbuffer(view.size, samples=samples)
        self._drawn = gl.framebuffer([gl.renderbuffer(view.size, 4, samples=samples)], depths)
        self._smooth = gl.framebuffer([gl.renderbuffer(view.size, 4)])
        self._shadows = gl.depth_texture((SHADOW_PIXELS, SHADOW_PIXELS))
        self._shadows.compare_func = "<="  # a sample answers whether it is lit, not how far the light reached
        self._shadows.repeat_x = self._shadows.repeat_y = False
        self._shaded = gl.framebuffer(depth_attachment=self._shadows)

    def paint(self, weights: Array, turn: Array) -> Array:
        """(height, width, 3) uint8 RGB of the head under weights (targets,), turned by a (4, 4) matrix."""
        for part in self._parts:
            part.pose(weights)
        for program in (self._head_program, self._shadow_program):
            program["turn"].write(_column_major(turn))
        self._draw_shadows()
        self._draw_head()
        self._gl.copy_framebuffer(self._smooth, self._drawn)
        width, height = self._view.size
        pixels = np.frombuffer(self._smooth.read(components=3, alignment=1), np.uint8)
        return np.ascontiguousarray(pixels.reshape(height, width, 3)[::-1])

    def _draw_shadows(self) -> None:
        """How far the key light reaches, from where it stands."""
        self._shaded.use()
        self._shaded.clear(depth=1.0)
        self._gl.enable_only(self._gl.DEPTH_TEST)
        for part in self._parts:
            part.shadow.render()

    def _draw_head(self) -> None:
        self._drawn.use()
        self._drawn.clear(depth=1.0)
        self._gl.enable_only(self._gl.NOTHING)
        self._background.render(vertices=3)
        self._shadows.use(0)
        for part in self._parts:
            self._gl.enable_only(self._gl.DEPTH_TEST | (0 if part.material.two_sided else self._gl.CULL_FACE))
            for name in ("wrap", "gloss", "shine", "glint"):
                self._head_program[name] = getattr(part.material, name)
            part.surface.render()


class _GlPart:
    """One part of the head in buffers, to be drawn as a surface and as a shadow."""

    def __init__(self, gl: Any, surface: Any, shadow: Any, part: Part) -> None:
        self._part, self.material = part, MATERIALS[part.name]
        self._places, self._normals = gl.buffer(part.positions), gl.buffer(part.normals)
        place = [(self._places, "3f", "place"), (_buffer(gl, part.follow), "1f", "follow")]
        looks = [(self._normals, "3f", "normal"), (_buffer(gl, part.colours), "3f", "colour")]
        triangles = gl.buffer(np.ascontiguousarray(part.triangles, np.uint32))
        self.surface = gl.vertex_array(surface, place + looks, triangles)
        self.shadow = gl.vertex_array(shadow, place, triangles)

    def pose(self, weights: Array) -> None:
        places, normals = posed(self._part, weights)
        self._places.write(places)
        self._normals.write(normals)


def _buffer(gl: Any, values: Array) -> Any:
    return gl.buffer(np.ascontiguousarray(values, np.float32))


def _fill_in(program: Any, view: View) -> None:
    """The uniforms of a view that a program has."""
    values = {name: getattr(view.light, name) for name in type(view.light).__dataclass_fields__}
    values |= {name: tuple(place) for name, place in lights_from(view).items()}
    values |= {"eye": tuple(eye_of(view)), "size": tuple(map(float, view.size))}
    for name, value in values.items():
        if name in program:
            program[name] = value
    for name, matrix in (("camera", camera_matrix(view)), ("sun", shadow_matrix(view))):
        if name in program:
            program[name].write(_column_major(matrix))


def _column_major(matrix: Array) -> bytes:
    return np.ascontiguousarray(matrix.T, np.float32).tobytes()
