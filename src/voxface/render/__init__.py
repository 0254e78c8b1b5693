"""Pictures and videos of a head: one scene, drawn with OpenGL or by a small rasteriser."""
