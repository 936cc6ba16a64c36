"""Ranking in the graph, shared by evaluation and serving."""
