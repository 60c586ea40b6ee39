"""In which order equal values come on this device: informational, for no order is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlxbench.lab.device_checks.ties import Order, RouterRule
from mlxbench.selftest.checked import Checked

TOPIC = "ties"


def check(orders: Iterable[Order]) -> Iterator[Checked]:
    """This device's order beside the CPU's."""
    for one in orders:
        same = one.here == one.on_cpu
        yield Checked(
            TOPIC,
            f"{one.operation}: {one.row}",
            None,
            one.here,
            "" if same else f"{one.on_cpu} on the CPU",
            "as on the CPU" if same else "another order than on the CPU: replies may differ there",
        )


def router(found: RouterRule) -> Checked:
    """Whether mlx-lm's router follows the rule that the kernel `softmax_topk` promises."""
    if found.same_order == found.rows:
        said = "mlx-lm's router follows the rule of softmax_topk: with it, the same experts run"
    elif found.same_experts == found.rows:
        said = "with softmax_topk the same experts run as in mlx-lm's router, in another order"
    else:
        said = "among equal experts, softmax_topk chooses others than mlx-lm's router does here"
    return Checked(
        TOPIC,
        "router",
        None,
        f"{found.same_experts} of {found.rows} rows choose as ruled, {found.same_order} in order",
        f"all {found.rows} on Metal, by what was read in MLX",
        said,
        {"rows": found.rows, "same_experts": found.same_experts, "same_order": found.same_order},
    )
