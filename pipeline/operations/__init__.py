"""Work on a pushed model or a running server: ask, refresh, roll out."""
