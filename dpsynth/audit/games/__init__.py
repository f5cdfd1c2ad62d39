"""Distinguishing games on surrogate rows: many fits with and without a target, and what tells them apart."""
