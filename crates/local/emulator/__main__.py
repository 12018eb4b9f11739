"""Run as ``python crates/local/emulator --port N …``."""

import sys
from pathlib import Path

# Python puts this folder itself on the path; the package is found from the folder above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from emulator.launcher import main  # noqa: E402

if __name__ == "__main__":
    main()
