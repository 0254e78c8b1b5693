"""Bad and odd inputs, made on the spot."""
