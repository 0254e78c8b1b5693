"""What `voxface doctor` looks at. Every check answers, whatever it meets; nothing is installed, fetched or changed.

Which libraries are needed, and by which extra, is read from the metadata of the installed package, so that there is one
list. Libraries are only looked up there, not imported; the self-test imports what animating needs.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from voxface import __version__
from voxface.errors import VoxfaceError
from voxface.runtime.threads import offline_threads, usable_cores

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)([^;]*)(?:;.*extra == ['\"]([\w-]+)['\"])?")
_CLASHES = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
    "opencv": (
        "opencv-python", "opencv-contrib-python", "opencv-python-headless", "opencv-contrib-python-headless",
    ),
}  # fmt: skip
"""Packages that install the same module over each other: whichever came last is imported, often half of each."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found. state: "ok"; "note": worth knowing; "missing": not installed, not needed to animate; "broken"."""

    section: str
    name: str
    state: str
    text: str
    hint: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def all_checks() -> Iterator[Check]:
    """Every check in the order in which a person reads them; the self-test comes last, because it takes longest."""
    yield system()
    yield from core_libraries()
    yield from extras()
    yield from clashes()
    yield pictures()
    yield voices()
    found = face_model()
    yield found
    yield light_tracker(found)
    yield from bundles()
    yield self_test()


def system() -> Check:
    """Python, platform, cores and the threads that animating a file will use."""
    cores = usable_cores()
    values = {
        "voxface": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": cores,
        "threads": offline_threads(),
    }
    text = (
        f"{__version__}, Python {values['python']}, {values['platform']}; "
        f"{cores} cores, files use {values['threads']} threads, streams 1"
    )
    return Check("system", "voxface", "ok", text, values=values)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A library that voxface names: its distribution, its minimum ("" for any), its extra ("" for the core)."""

    name: str
    minimum: str
    extra: str

    def check(self) -> tuple[str | None, str]:
        """(installed version or None, what is wrong with it or "")."""
        try:
            version = metadata.version(self.name)
        except metadata.PackageNotFoundError:
            return None, f"{self.name} is not installed"
        if self.minimum and _release(version) < _release(self.minimum):
            return version, f"{self.name} {version} is older than {self.minimum}"
        return version, ""


def requirements() -> list[Requirement]:
    """What the installed package says that it needs; empty where voxface runs without being installed."""
    try:
        lines = metadata.requires("voxface") or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match:
            minimum = re.search(r">=\s*([\w.]+)", match[2])
            found.append(Requirement(match[1], minimum[1] if minimum else "", match[3] or ""))
    return found


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version up to its first letter: 2.1.0rc1 is (2, 1, 0)."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in numbers[0].split(".")) if numbers else ()


def core_libraries() -> Iterator[Check]:
    """The libraries without which nothing can be animated; soundfile is loaded, as its native part may be missing."""
    needed = [one for one in requirements() if not one.extra]
    if not needed:
        hint = "Install it: pip install voxface, or pip install -e . in a clone."
        yield Check("core", "voxface", "note", "runs without being installed, so its libraries are not known", hint)
    for one in needed:
        version, wrong = one.check()
        state = "broken" if wrong else "ok"
        hint = "pip install --upgrade voxface" if wrong else ""
        text = wrong or f"{version}"
        if one.name == "soundfile" and not wrong:
            state, text, hint = _sound_library(text)
        yield Check("core", one.name, state, text, hint, {"version": version})


def _sound_library(version: str) -> tuple[str, str, str]:
    try:
        library = importlib.import_module("soundfile").__libsndfile_version__
    except (ImportError, OSError, AttributeError) as error:  # OSError: the native library is not found
        return "broken", f"{version} does not load: {error}", "Install libsndfile (Debian: apt install libsndfile1)."
    return "ok", f"{version}, libsndfile {library}", ""


def extras() -> Iterator[Check]:
    """Each extra of the package: complete, or the line that installs it."""
    needed: dict[str, list[Requirement]] = {}
    for one in requirements():
        if one.extra:
            needed.setdefault(one.extra, []).append(one)
    for extra, libraries in needed.items():
        found = {one.name: one.check() for one in libraries}
        wrong = [reason for _, reason in found.values() if reason]
        versions = {name: version for name, (version, _) in found.items()}
        text = ", ".join(wrong) if wrong else ", ".join(f"{name} {version}" for name, version in versions.items())
        hint = f"pip install 'voxface[{extra}]'" if wrong else ""
        yield Check("extras", extra, "missing" if wrong else "ok", text, hint, {"versions": versions})


def clashes() -> Iterator[Check]:
    """Packages that overwrite each other (faults.md E2), with the commands that mend it."""
    for module, rivals in _CLASHES.items():
        installed = {}
        for name in rivals:
            try:
                installed[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        if len(installed) > 1:
            names = " and ".join(f"{name} {version}" for name, version in installed.items())
            keep = "onnxruntime" if module == "onnxruntime" else "opencv-contrib-python"
            hint = f"pip uninstall -y {' '.join(installed)} && pip install {keep}"
            text = f"{names} are installed over each other; which one is imported is chance"
            yield Check("clashes", module, "note", text, hint, {"installed": installed})


def pictures() -> Check:
    """What draws faces: OpenGL off screen and its renderer, or numpy."""
    from voxface.errors import MissingDependencyError
    from voxface.render.gl import context

    try:
        renderer = str(context().info["GL_RENDERER"])
    except MissingDependencyError as error:
        text = f"numpy draws, which is slower: {error.message}"
        return Check("pictures", "OpenGL", "missing", text, error.hint or "", {"renderer": None})
    return Check("pictures", "OpenGL", "ok", renderer, values={"renderer": renderer})


def face_model() -> Check:
    """Where capture would find the face landmarker, and whether it is the known file; it is not fetched."""
    from voxface.capture.face_model import ENVIRONMENT, SHA256, cached_path
    from voxface.files import sha256_hex

    named = os.environ.get(ENVIRONMENT)
    path = Path(named) if named else cached_path()
    where = f"{path} ({ENVIRONMENT})" if named else f"{path} (cache)"
    values: dict[str, Any] = {"path": str(path), "environment": bool(named), "sha256": None}
    hint = f"Set {ENVIRONMENT} to the file, or let `voxface capture` fetch it on its first run."
    if not path.is_file():
        return Check("models", "face landmarker", "missing", f"not at {where}; only capture needs it", hint, values)
    try:
        values["sha256"] = sha256_hex(path)
    except VoxfaceError as error:
        return Check("models", "face landmarker", "missing", error.message, hint, values)
    if values["sha256"] != SHA256:
        return Check(
            "models", "face landmarker", "missing", f"{where} is another file: its SHA-256 differs", hint, values
        )
    return Check("models", "face landmarker", "ok", f"{where}, sha256 {SHA256[:16]}…", values=values)


def light_tracker(model: Check) -> Check:
    """Whether capture could find faces: LiteRT loads the face landmarker that `face_model` found, and runs it."""
    import numpy as np

    from voxface.capture.face_model import find_face_model
    from voxface.capture.light.nets import litert_version, load_litert
    from voxface.capture.trackers import open_tracker

    name, values = "light tracker", {"litert": litert_version()}
    try:
        load_litert()
        if model.state != "ok":
            text = f"LiteRT {values['litert']} loads; the face landmarker is missing"
            return Check("models", name, "missing", text, model.hint, values)
        begun = time.perf_counter()
        with open_tracker("light")(find_face_model(model.values["path"])) as tracker:
            tracker.look(0.0, np.zeros((64, 64, 3), np.uint8))
    except VoxfaceError as error:
        return Check("models", name, "missing", error.message, error.hint, values)
    text = f"LiteRT {values['litert']}, ready in {time.perf_counter() - begun:.2f} s"
    return Check("models", name, "ok", text, values=values)


def voices() -> Check:
    """Which voices `voxface synth` could speak with; engines are looked for, not started."""
    from voxface.synth.engines import find_voices
    from voxface.synth.voices import VOICES

    found, problems = find_voices(VOICES)
    names = [voice.speaker for voice in found]
    text = f"{len(names)} of {len(VOICES)}" + "".join(f"; {problem.split(':')[0]}" for problem in problems)
    hint = "; ".join(problem.split(": ", 1)[1] for problem in problems)
    return Check("synthesis", "voices", "missing" if problems else "ok", text, hint, {"voices": names})


def bundles() -> Iterator[Check]:
    """Every model that comes with the package, its bytes compared with their hash."""
    again = "Install voxface again: pip install --force-reinstall --no-deps voxface"
    try:
        from voxface.bundle import shipped_bundles
    except (ImportError, OSError) as error:  # a broken library of the core
        yield Check("models", "bundles", "broken", f"cannot be looked at: {error}", again)
        return
    names = shipped_bundles()
    if not names:
        yield Check("models", "bundles", "broken", "the package holds no model", again)
    for name in names:
        yield _bundle(name, again)


def _bundle(name: str, again: str) -> Check:
    from voxface.bundle import load_bundle

    try:
        bundle = load_bundle(name)
        size = len(bundle.model_bytes())
    except VoxfaceError as error:
        return Check("models", f"bundle {name}", "broken", error.message, again)
    hears = "hears whole clips" if bundle.window else f"looks {10 * bundle.look_ahead_rows} ms ahead"
    text = f"{size / 1e6:.1f} MB, sha256 {bundle.sha256[:16]}…, {hears}"
    values = {"sha256": bundle.sha256, "bytes": size, "look_ahead_rows": bundle.look_ahead_rows}
    return Check("models", f"bundle {name}", "ok", text, values=values)


def self_test(animate: Callable[..., Any] | None = None) -> Check:
    """Animate one second of a buzz and look at the face: number of frames, finite, within [0, 1].

    Args:
        animate: in place of voxface.animate, for tests.
    """
    hint = "Install voxface again; if that does not help, report this with the output of voxface doctor --json."
    try:
        import voxface

        times = [time.perf_counter()]
        for _ in range(2):
            clip = (animate or voxface.animate)(_buzz(), 16_000)
            times.append(time.perf_counter())
        wrong = _wrong_with(clip)
    except Exception as error:  # whatever is broken is what the doctor is asked for
        text = error.message if isinstance(error, VoxfaceError) else f"{type(error).__name__}: {error}"
        return Check("self-test", "animate", "broken", text, hint)
    if wrong:
        return Check("self-test", "animate", "broken", f"one second of sound gave {wrong}", hint)
    first_s, warm_s = round(times[1] - times[0], 4), round(times[2] - times[1], 4)
    text = f"1 s of sound → {len(clip)} frames in {1000 * warm_s:.1f} ms ({first_s:.2f} s at first)"
    values = {"frames": len(clip), "first_s": first_s, "warm_s": warm_s}
    return Check("self-test", "animate", "ok", text, values=values)


def _wrong_with(clip: Any) -> str:
    """What is wrong with the face of one second of sound, "" where nothing is."""
    import numpy as np

    if len(clip) != 60:
        return f"{len(clip)} frames instead of 60"
    if not np.isfinite(clip.weights).all():
        return "weights that are not finite"
    if clip.weights.min() < 0 or clip.weights.max() > 1:
        return "weights outside 0 to 1"
    return ""


def _buzz() -> Any:
    """One second at 16 kHz that is a little like a vowel: twenty overtones of 120 Hz, swelling four times."""
    import numpy as np

    t = np.arange(16_000) / 16_000
    tones = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 21))
    return (0.1 * np.sin(2 * np.pi * 2 * t) ** 2 * tones).astype(np.float32)
