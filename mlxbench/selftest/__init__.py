"""The self-test: how mlxbench is verified on hardware that nobody here has.

It runs the product's own parts on the machine it finds itself on, holds them to what must be true
anywhere (N tokens take N forwards; no rate is above the memory's bandwidth; a kernel is right), and
writes down what could not be known beforehand (in which order equal values come; what a launch
costs). Its owner attaches the file to a report.

- `checked`: one check, and the document of all of them
- `scale`: how much is done, and on models of which size
- `clock`, `traps`, `costs`, `generation`, `memory`, `parts`, `machinery`, `kernels`, `ties`,
  `collectors`: the checks of one topic each, as functions of what they judge
- `ratios`: do two rates agree?
- `bench`, `models`, `steps`: the checks in order, with the models and folders that they need
- `running`: one step after the other; one that raises anything is a failed check
- `private`: foreign text without names; `files`: the file, written and read

A check has three answers. **True** and **False** are about what must hold. **None** is for what
holds nowhere by law (informational), for what does not exist here, and for a measurement too noisy
to tell: noise never fails a check, and never passes one.
"""

from mlxbench.selftest.checked import Checked, SelfTest, Step
from mlxbench.selftest.files import default_path, document, read, reserve, write
from mlxbench.selftest.running import Progress, run
from mlxbench.selftest.scale import FULL, QUICK, Scale

__all__ = [
    "FULL",
    "QUICK",
    "Checked",
    "Progress",
    "Scale",
    "SelfTest",
    "Step",
    "default_path",
    "document",
    "read",
    "reserve",
    "run",
    "write",
]
