"""``python -m dpsynth.cli`` is ``dpsynth``."""

from __future__ import annotations

import sys

from dpsynth.cli.entry import main

sys.exit(main())
