"""The samples are not an installed package; their tests find them beside it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
