"""The description of the HTTP routes for machines (OpenAPI 3.1); the WebSocket is described in docs/live.md."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from voxface.live.wire import PATH
from voxface.server.animate import MEDIA_TYPES, Asked

_TYPES = {float: "number", str: "string", bool: "boolean"}
_ABOUT = {
    "fps": "Frames per second, 1 to 240.",
    "format": "Of the answer; jsonl comes while it is computed.",
    "bundle": "Name of a model that the server has.",
    "channel": "mix, or the number of the channel to take.",
    "emotion": "happy=0.6,sad=0.2 instead of what is heard; none: no emotion.",
    "intensity": "Factor on all weights.",
    "mouth_only": "Move jaw and mouth only.",
    "idle": "Eyes, brows and head move by themselves where the model does not move them.",
}


def document() -> dict[str, Any]:
    """The whole description, as /openapi.json answers it."""
    from voxface import __version__

    return {
        "openapi": "3.1.0",
        "info": {
            "title": "voxface",
            "version": __version__,
            "description": f"Speech in, face animation out. Sessions are WebSockets at {PATH}: docs/live.md.",
        },
        "paths": {
            "/v1/animate": {"post": _animate()},
            "/audio_to_blendshapes": {"post": _audio_to_blendshapes()},
            "/health": {"get": _text("OK while the server answers.", "text/plain")},
            "/healthz": {"get": _text("OK while the server answers; 500 when it must be started again.", "text/plain")},
            "/readyz": {"get": _text("ready, or 503: warming, busy, draining or broken.", "text/plain")},
            "/metrics": {"get": _text("Numbers for Prometheus.", "text/plain")},
            "/openapi.json": {"get": _text("This description.", "application/json")},
        },
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "API-Key"},
            },
        },
        "security": [{}, {"bearer": []}, {"key": []}],
    }


_PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Such as E-AUDIO-EMPTY; stays the same where words change."},
        "hint": {"type": "string", "description": "What to do next."},
    },
}
_BYTES = {"type": "string", "format": "binary"}
_WRONG = {
    "description": "What is wrong, and what to do next.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def _animate() -> dict[str, Any]:
    form = {"type": "object", "properties": {"audio": _BYTES}, "description": "One file; its names do not matter."}
    return {
        "summary": "The face of a recording.",
        "parameters": _parameters(),
        "requestBody": {
            "required": True,
            "content": {"*/*": {"schema": _BYTES}, "multipart/form-data": {"schema": form}},
        },
        "responses": {
            "200": {"description": "The clip.", "content": {kind: {} for kind in MEDIA_TYPES.values()}},
            "default": _WRONG,
        },
    }


def _parameters() -> list[dict[str, Any]]:
    kinds = get_type_hints(Asked)
    known = []
    for one in fields(Asked):
        schema: dict[str, Any] = {"type": _TYPES[kinds[one.name]], "default": one.default}
        if one.name == "format":
            schema["enum"] = list(MEDIA_TYPES)
        known.append({"name": one.name, "in": "query", "description": _ABOUT[one.name], "schema": schema})
    return known


def _audio_to_blendshapes() -> dict[str, Any]:
    rows = {"type": "array", "items": {"type": "array", "items": {"type": "number"}, "minItems": 68, "maxItems": 68}}
    found = {"type": "object", "properties": {"blendshapes": rows}, "required": ["blendshapes"]}
    told = {"type": "object", "properties": {"audio": {"type": "string"}}, "required": ["audio"]}
    return {
        "summary": "The face of a recording as NeuroSync's local server answers, 60 frames a second.",
        "requestBody": {
            "required": True,
            "content": {"*/*": {"schema": _BYTES}, "application/json": {"schema": told}},
        },
        "responses": {
            "200": {"description": "The frames.", "content": {"application/json": {"schema": found}}},
            "default": _WRONG,
        },
    }


def _text(what: str, kind: str) -> dict[str, Any]:
    return {"summary": what, "responses": {"200": {"description": what, "content": {kind: {}}}, "default": _WRONG}}
