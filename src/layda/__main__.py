"""``python -m layda`` is the command ``layda``."""

from __future__ import annotations

import sys

from layda.cli import main

sys.exit(main())
