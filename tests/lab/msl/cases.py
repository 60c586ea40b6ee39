"""Kernels in a few words: one input `x`, one output `y`, both float unless told otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from mlxbench.lab.msl import Checks, Finding, KernelSource, Launch, Outcome, examine
from mlxbench.lab.msl.source import TemplateValue


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kernel with one launch. The body may use `i`, `t`, `lane` and `sg` of `PRELUDE`."""

    source: str
    header: str = ""
    inputs: Sequence[Any] = ()
    n_inputs: int = 64
    n_outputs: int = 64
    grid: int = 64
    threadgroup: int = 64
    dtype: mx.Dtype = mx.float32
    template: Sequence[tuple[str, TemplateValue]] = ()
    init_value: float | None = None
    atomic_outputs: bool = False
    checks: Checks = field(default_factory=lambda: Checks(house_rules=False))

    def examine(self) -> Outcome:
        inputs = self.inputs or [mx.arange(self.n_inputs).astype(mx.float32)]
        return examine(self.kernel(), inputs, self.launch(), self.checks)

    def findings(self) -> tuple[Finding, ...]:
        return self.examine().findings

    def output(self) -> mx.array:
        """The output; fails with the findings if there are any."""
        outcome = self.examine()
        assert outcome.outputs is not None, [str(finding) for finding in outcome.findings]
        return outcome.outputs[0]

    def kernel(self) -> KernelSource:
        return KernelSource(
            name="case",
            input_names=["x", "x2", "x3"][: max(1, len(self.inputs))],
            output_names=["y"],
            source=PRELUDE + self.source,
            header=self.header,
            atomic_outputs=self.atomic_outputs,
        )

    def launch(self) -> Launch:
        return Launch(
            grid=(self.grid, 1, 1),
            threadgroup=(self.threadgroup, 1, 1),
            output_shapes=[(self.n_outputs,)],
            output_dtypes=[self.dtype],
            template=self.template,
            init_value=self.init_value,
        )


# All on one line: line n of a body is line n of the finding.
PRELUDE = (
    "uint i = thread_position_in_grid.x, t = thread_position_in_threadgroup.x, "
    "lane = thread_index_in_simdgroup, sg = simdgroup_index_in_threadgroup; "
)
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"
