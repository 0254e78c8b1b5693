"""All nets by name. The contract tests loop over this: listing a net is testing it."""

from __future__ import annotations

from voxface.models.tcn import Tcn, TcnConfig

MODELS: dict[str, tuple[type[TcnConfig], type[Tcn]]] = {"tcn": (TcnConfig, Tcn)}
"""Name -> (config, module). A module has start, step and forward; a config has receptive_field, state_shapes and
look_ahead_rows."""
