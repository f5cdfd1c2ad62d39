"""dpsynth: a differential-privacy-first data release platform."""

__version__ = "0.1.0"
__all__ = ["__version__"]
