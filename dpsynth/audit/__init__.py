"""Audits: structural tests on surrogate rows, attacks on the release, the verdict and its report."""
