"""Environments of libraries that insist on rows, and the process without network that they run in."""
