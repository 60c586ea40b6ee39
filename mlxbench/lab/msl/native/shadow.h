// Shadow memory: for every byte that a kernel may write, who wrote it last and who read it since.
//
// Two accesses of one byte are a race when at least one writes, they come from different threads,
// and nothing orders them. What orders them is known exactly, for barriers are global: each count
// of passed barriers is a clock. A write is visible to others only behind a barrier whose flags
// name that memory (`mem_device`, `mem_threadgroup`); for a read before a write any barrier does.
// A simdgroup barrier orders within its SIMD group. Threadgroups are never ordered. So races are
// found whatever the order in which the fibers happen to run.
//
// That several threads write the same value is no race here: kernels do it, and nobody can tell.
//
// An interval is a stretch of one thread between two barriers. Shadow cells hold interval numbers,
// which only grow; numbers below the first of the current threadgroup belong to earlier ones.
#pragma once
#include "job.h"
#include "reports.h"

namespace mslrt {

enum Memory { DEVICE, THREADGROUP };  // bit i of a barrier's flags stands for memory i

struct Cell {
  uint32_t write;  // interval, or 0; the top bits tell of atomic operations
  uint32_t read;   // interval, or 0; the top bits tell that others have read as well
};

struct Region {
  const char* name;
  Memory memory;
  Role role;
  uintptr_t low, high;
  size_t element_bytes;
  Cell* cells;  // one a byte; none for inputs, and none at all without checks
};

// In regions.cpp: the memory there is.
void make_regions();
void forget_variables();  // at the start of a threadgroup, whose memory starts undefined
void check_written();     // at the end of the grid: reports outputs that are not wholly written
const Region* region_of(uintptr_t address);
const char* memory_name(Memory memory);  // "threadgroup " or nothing, to stand before a name
bool in_threadgroup_memory(uintptr_t address);
size_t threadgroup_bytes();
[[noreturn]] void stop_out_of_bounds(const Where& where, uintptr_t address);

// In shadow.cpp: what happened to it.
extern const void* latest_caller;  // the return address of the latest access that was checked
void begin_threadgroup();
void settle();  // judges the latest store, once it is done
void passed_threadgroup_barrier(unsigned flags);
void passed_simdgroup_barrier(unsigned simdgroup, unsigned flags);

}  // namespace mslrt
