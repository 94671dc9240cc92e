"""These tests run in the Windows Python that was built: python.exe -m pytest tests/windows.

Where FFCV is not installed, as in the Python that runs doit, nothing is collected.
"""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("ffcv") else ["test_*.py"]
