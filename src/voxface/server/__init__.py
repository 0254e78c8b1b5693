"""The server for many callers (extra `serve`): who may ask, how much, how long; what is asked for lies elsewhere."""
