"""Audits from outside: of a library that takes rows, by what it releases on made-up ones."""
