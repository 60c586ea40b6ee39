"""The line of the kernel that an address of its program was compiled from.

Read from the program's debug information, and only once there is a finding. pyelftools reads it;
without that package findings at memory accesses have no line.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from mlxbench.lab.msl.findings import Place
from mlxbench.lab.msl.translating import HEADER, KERNEL


def line_of(program: Path, address: int) -> Place | None:
    """The line for an address relative to the start of the program, if it is one of the kernel."""
    if importlib.util.find_spec("elftools") is None:
        return None
    from elftools.elf.elffile import ELFFile

    with program.open("rb") as file:
        elf: Any = ELFFile(file)
        if not elf.has_dwarf_info():
            return None
        for unit in elf.get_dwarf_info().iter_CUs():
            lines = elf.get_dwarf_info().line_program_for_CU(unit)
            place = None if lines is None else _search(lines, address)
            if place is not None:
                return place
    return None


def _search(lines: Any, address: int) -> Place | None:
    """The place of the last row at or before an address in one unit's table of lines."""
    before = None
    for entry in lines.get_entries():
        state = entry.state
        if state is None:
            continue
        if before is not None and before.address <= address < state.address:
            name = lines["file_entry"][before.file - 1].name.decode()
            return Place(name, before.line) if name in (HEADER, KERNEL) and before.line else None
        before = None if state.end_sequence else state
    return None
