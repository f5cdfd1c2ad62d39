"""Mechanisms: each builds from public facts and yields both the noise and its privacy event."""
