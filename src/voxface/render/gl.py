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
from voxface.render.scene import MATERIALS, View, camera_matrix, eye_of, lights_from
from voxface.stream import Array

SAMPLES = 4  # per pixel; edges are smoothed

_VERTEX = """
#version 330
uniform mat4 turn, camera;
in vec3 place, normal, colour;
in float follow;
out vec3 at, facing, tint;
void main() {
    at = mix(place, (turn * vec4(place, 1)).xyz, follow);
    facing = mix(normal, mat3(turn) * normal, follow);
    tint = colour;
    gl_Position = camera * vec4(at, 1);
}
"""

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
void main() {
    vec3 v = normalize(eye - at), n = normalize(gl_FrontFacing ? facing : -facing);
    vec3 soft = max((dot(n, key_from) + wrap) / (1 + wrap), 0);  // red creeps furthest round the edge of the shadow
    vec3 light = key * soft * soft + fill * max(dot(n, fill_from) * 0.5 + 0.5, 0) + mix(below, above, n.y * 0.5 + 0.5);
    float edge = 1 - max(dot(n, v), 0);
    light += rim * (edge * edge * edge * max(dot(n, rim_from) * 0.7 + 0.3, 0));
    float mirrored = pow(max(dot(n, normalize(key_from + v)), 0), gloss);
    float window = smoothstep(0.990, 0.994, dot(n, normalize(glint_from + v)));
    vec3 x = (tint * light + key * (shine * mirrored + glint * window)) * exposure;
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


class GlPainter:
    """Draws one head in one view; remembers nothing of the picture before.

    name: the renderer, as the driver calls itself.
    Raises: MissingDependencyError: as `context`.
    """

    def __init__(self, head: Head, view: View) -> None:
        gl = context()
        self._gl, self._view, self.name = gl, view, str(gl.info["GL_RENDERER"])
        self._head_program = gl.program(vertex_shader=_VERTEX, fragment_shader=_SHOWN + _SURFACE)
        background = gl.program(vertex_shader=_BACKGROUND_VERTEX, fragment_shader=_SHOWN + _BACKGROUND)
        self._parts = [_GlPart(gl, self._head_program, part) for part in head.parts]
        self._background = gl.vertex_array(background, [])
        for program in (self._head_program, background):
            _fill_in(program, view)
        self._drawn = gl.framebuffer(
            [gl.renderbuffer(view.size, 4, samples=SAMPLES)], gl.depth_renderbuffer(view.size, samples=SAMPLES)
        )
        self._smooth = gl.framebuffer([gl.renderbuffer(view.size, 4)])

    def paint(self, weights: Array, turn: Array) -> Array:
        """(height, width, 3) uint8 RGB of the head under weights (targets,), turned by a (4, 4) matrix."""
        width, height = self._view.size
        self._drawn.use()
        self._drawn.clear(depth=1.0)
        self._gl.disable(self._gl.DEPTH_TEST | self._gl.CULL_FACE)
        self._background.render(vertices=3)
        self._gl.enable(self._gl.DEPTH_TEST)
        self._head_program["turn"].write(_column_major(turn))
        for part in self._parts:
            part.draw(weights)
        self._gl.copy_framebuffer(self._smooth, self._drawn)
        pixels = np.frombuffer(self._smooth.read(components=3, alignment=1), np.uint8)
        return np.ascontiguousarray(pixels.reshape(height, width, 3)[::-1])


class _GlPart:
    """One part of the head in buffers; places and normals are written anew for each picture."""

    def __init__(self, gl: Any, program: Any, part: Part) -> None:
        self._gl, self._part, self._program = gl, part, program
        self._places, self._normals = gl.buffer(part.positions), gl.buffer(part.normals)
        buffers = [
            (self._places, "3f", "place"),
            (self._normals, "3f", "normal"),
            (gl.buffer(np.ascontiguousarray(part.colours, np.float32)), "3f", "colour"),
            (gl.buffer(np.ascontiguousarray(part.follow, np.float32)), "1f", "follow"),
        ]
        self._array = gl.vertex_array(program, buffers, gl.buffer(np.ascontiguousarray(part.triangles, np.uint32)))

    def draw(self, weights: Array) -> None:
        places, normals = posed(self._part, weights)
        self._places.write(places)
        self._normals.write(normals)
        material = MATERIALS[self._part.name]
        for name in ("wrap", "gloss", "shine", "glint"):
            self._program[name] = getattr(material, name)
        (self._gl.disable if material.two_sided else self._gl.enable)(self._gl.CULL_FACE)
        self._array.render()


def _fill_in(program: Any, view: View) -> None:
    """The uniforms of a view that a program has."""
    values = {name: getattr(view.light, name) for name in type(view.light).__dataclass_fields__}
    values |= {name: tuple(place) for name, place in lights_from(view).items()}
    values |= {"eye": tuple(eye_of(view)), "size": tuple(map(float, view.size))}
    for name, value in values.items():
        if name in program:
            program[name] = value
    if "camera" in program:
        program["camera"].write(_column_major(camera_matrix(view)))


def _column_major(matrix: Array) -> bytes:
    return np.ascontiguousarray(matrix.T, np.float32).tobytes()
