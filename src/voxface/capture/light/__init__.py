"""The light tracker: the three networks of MediaPipe's face landmarker, run by LiteRT alone."""
