"""Checkpoints: from a name, a path or a repository to a verified local directory.

`resolve` and `pull` find them, `inspect` checks headers at each load, `verify` hashes, and
`local_checkpoints` lists what is on this disk. Only this package imports huggingface_hub, and only
inside functions: importing the package is cheap.
"""

from mlxbench.checkpoints.hub import Snapshot, cached, pull, pull_tokenizer
from mlxbench.checkpoints.inspection import inspect, read_config
from mlxbench.checkpoints.locate import Found, local_checkpoints
from mlxbench.checkpoints.manifest import ExpectedFile, load_manifest
from mlxbench.checkpoints.reference import HubReference, parse_reference
from mlxbench.checkpoints.resolution import resolve
from mlxbench.checkpoints.verification import Finding, OnProgress, verify

__all__ = [
    "ExpectedFile",
    "Finding",
    "Found",
    "HubReference",
    "OnProgress",
    "Snapshot",
    "cached",
    "inspect",
    "load_manifest",
    "local_checkpoints",
    "parse_reference",
    "pull",
    "pull_tokenizer",
    "read_config",
    "resolve",
    "verify",
]
