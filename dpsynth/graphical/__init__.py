"""Graphical-model numerics over a public domain, from noisy numbers only."""
