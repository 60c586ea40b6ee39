"""Where mlxbench keeps things.

The store lies in the user's data directory and caches in the cache directory, by the conventions of
the operating system; `MLXBENCH_HOME` moves both under one folder. Hugging Face's own cache is used
as it is and is not governed by this module.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "MLXBENCH_HOME"


def data_directory() -> Path:
    """The folder of the result store."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() if home else platformdirs.user_data_path("mlxbench")


def cache_directory() -> Path:
    """The folder of everything that can be made again: synthetic checkpoints, remembered hashes."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() / "cache" if home else platformdirs.user_cache_path("mlxbench")
