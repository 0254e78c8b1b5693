"""All nets by name. The contract tests loop over this: listing a net is testing it."""

from __future__ import annotations

from voxface.models.tcn import Tcn, TcnConfig
from voxface.models.tcn_attention import TcnAttention, TcnAttentionConfig
from voxface.models.tcn_multiscale import TcnMultiscale, TcnMultiscaleConfig

MODELS: dict[str, tuple[type[TcnConfig], type[Tcn]]] = {
    "tcn": (TcnConfig, Tcn),
    "tcn_attention": (TcnAttentionConfig, TcnAttention),
    "tcn_multiscale": (TcnMultiscaleConfig, TcnMultiscale),
}
"""Name -> (config, module). A module has start, step, forward and thinned; a config has receptive_field, state_shapes
and look_ahead_rows. A speaker's vector would be one more input of `step`: nothing here stands in its way."""
