"""`python -m dllwhy`: the command, about the Python that runs it."""

import sys

from dllwhy.cli import main

sys.exit(main())
