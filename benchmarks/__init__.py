"""Measurements of the product beside its peers; see README.md in this folder."""
