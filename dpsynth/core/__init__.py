"""Shared vocabulary: domain, clique, privacy unit, curator, guarantee, errors. Imports nothing of ours."""
