"""Synthesizers: each plans from public facts, then fits through a curator. Nothing here ever sees a row."""
