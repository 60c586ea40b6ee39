#include "shadow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fibers.h"

extern "C" const bool msl_checked;  // see regions.cpp
extern "C" const char __ehdr_start[], _end[];  // the linker's: our own program in memory

namespace mslrt {

const void* latest_caller = nullptr;

namespace {

// Counts of barriers passed: all of them, and those whose flags name a memory.
struct Clock {
  uint32_t passed, fenced[2];
};
Clock group_clock;
Clock simd_clocks[MAX_THREADS / SIMD_WIDTH];

struct Interval {
  uint16_t thread, simdgroup;
  Clock group, simd;
};
Interval* intervals = nullptr;  // of the current threadgroup, from number `first_interval` on
uint32_t first_interval = 1, next_interval = 1;
size_t room = 0;

// Of Cell::write: it was atomic, and atomic writes of others came just before.
constexpr uint32_t ATOMIC = 1u << 31, ATOMIC_OTHERS = 1u << 30;
// Of Cell::read: who else read. Lanes of the reader's SIMD group or of others since the last
// barrier, or another threadgroup at any time.
constexpr uint32_t OTHER_LANES = 1u << 31, OTHER_SIMDGROUPS = 1u << 30,
                   OTHER_THREADGROUPS = 1u << 29;
constexpr uint32_t NUMBER = OTHER_THREADGROUPS - 1;

enum class Access { load, store, atomic_load, atomic_store };

uint32_t current_interval() {
  if (current->interval != 0) return current->interval;
  if (next_interval == NUMBER) die("the kernel has more than 500 million barrier intervals");
  size_t index = next_interval - first_interval;
  if (index == room) {
    room = room == 0 ? 4096 : 2 * room;
    intervals = static_cast<Interval*>(realloc(intervals, room * sizeof(Interval)));
    if (intervals == nullptr) die("no memory for the intervals between barriers");
  }
  const Thread& t = current->thread;
  intervals[index] = {uint16_t(t.index_in_threadgroup), uint16_t(t.simdgroup_index), group_clock,
                      simd_clocks[t.simdgroup_index]};
  return current->interval = next_interval++;
}

const Interval& interval(uint32_t number) { return intervals[number - first_interval]; }
bool of_this_threadgroup(uint32_t number) { return number >= first_interval; }

// Whether all that was written before the end of an earlier interval is visible to the current one.
bool fenced(const Interval& then, const Interval& now, Memory memory) {
  if (now.group.fenced[memory] > then.group.fenced[memory]) return true;
  return then.simdgroup == now.simdgroup && now.simd.fenced[memory] > then.simd.fenced[memory];
}

// Whether reads that a cell remembers are all over when the current interval begins.
bool reads_over(uint32_t read, const Interval& now) {
  if (read == 0) return true;
  if (read & OTHER_THREADGROUPS || !of_this_threadgroup(read & NUMBER)) return false;
  const Interval& then = interval(read & NUMBER);
  if (now.group.passed > then.group.passed) return true;
  if (read & OTHER_SIMDGROUPS || then.simdgroup != now.simdgroup) return false;
  if (now.simd.passed > then.simd.passed) return true;
  return then.thread == now.thread && !(read & OTHER_LANES);
}

// What the cell remembers of reads once the current interval has read as well.
uint32_t with_read(uint32_t read, uint32_t number, const Interval& now) {
  if (read == 0) return number;
  uint32_t others = read & OTHER_THREADGROUPS;
  if (!of_this_threadgroup(read & NUMBER)) return number | OTHER_THREADGROUPS;
  const Interval& then = interval(read & NUMBER);
  if (now.group.passed > then.group.passed) return number | others;
  others |= read & OTHER_SIMDGROUPS;
  if (then.simdgroup != now.simdgroup) return number | others | OTHER_SIMDGROUPS;
  if (now.simd.passed > then.simd.passed) return number | others;
  others |= read & OTHER_LANES;
  return number | others | (then.thread != now.thread ? OTHER_LANES : 0);
}

struct Event {
  const Region* region;
  Access access;
  Where where;
  size_t element;  // of the region

  bool writes() const { return access == Access::store || access == Access::atomic_store; }
  bool atomic() const { return access == Access::atomic_load || access == Access::atomic_store; }
};

void report_race(const Event& event, uint32_t other, const char* did) {
  char who[48] = "another threadgroup";
  if (of_this_threadgroup(other))
    snprintf(who, sizeof who, "thread %u", unsigned(interval(other).thread));
  note("race", event.where,
       "%s element %zu of %s'%s', which %s %s, and no barrier for that memory stands between",
       event.writes() ? "writes" : "reads", event.element, memory_name(event.region->memory),
       event.region->name, who, did);
}

// A store that may be a race: we are asked before it is done, and only then know its value.
struct Overwrite {
  Event event;
  uint32_t other;
  Fiber* who;
  uintptr_t address;
  size_t bytes;
  unsigned char before[MAX_EXCHANGED_BYTES];
} overwrite;

void remember_overwrite(const Event& event, uint32_t other, uintptr_t address, size_t bytes) {
  overwrite = {event, other, current, address, bytes, {}};
  memcpy(overwrite.before, reinterpret_cast<const void*>(address), bytes);
}

// What earlier threadgroups did in threadgroup memory was done in a memory of their own.
void forget_earlier(Cell& cell) {
  if (!of_this_threadgroup(cell.write & NUMBER)) cell.write = 0;
  if (!of_this_threadgroup(cell.read & NUMBER)) cell.read = 0;
}

// Whether what others wrote into a cell is visible to the current interval.
bool writes_visible(uint32_t write, const Interval& now, Memory memory) {
  uint32_t writer = write & NUMBER;
  if (writer == 0) return true;
  if (!of_this_threadgroup(writer)) return false;
  const Interval& then = interval(writer);
  return fenced(then, now, memory) || (then.thread == now.thread && !(write & ATOMIC_OTHERS));
}

// Whether the current interval touches what others have written, but not visibly.
bool touches_unseen_write(const Cell& cell, const Event& event, const Interval& now) {
  if (event.atomic() && cell.write & ATOMIC) return false;
  return !writes_visible(cell.write, now, event.region->memory);
}

// The record of a write. Atomic ones of several threads are remembered as such until a barrier.
uint32_t with_write(uint32_t write, const Event& event, uint32_t number) {
  if (!event.atomic()) return number;
  bool others = write & ATOMIC && !writes_visible(write, interval(number), event.region->memory);
  return number | ATOMIC | (others ? ATOMIC_OTHERS : 0);
}

// Checks one byte and records the access. True for a store over another plain store, which is a
// race only if it changes the value.
bool check_cell(Cell& cell, const Event& event) {
  uint32_t number = current_interval();
  const Interval& now = interval(number);
  if (event.region->memory == THREADGROUP) forget_earlier(cell);
  if (cell.write == 0 && !event.writes() && event.region->role == Role::output)
    note("uninitialised", event.where, "reads element %zu of %s'%s', which nobody has written",
         event.element, memory_name(event.region->memory), event.region->name);
  bool unseen = touches_unseen_write(cell, event, now);
  bool over_store = unseen && event.access == Access::store && !(cell.write & ATOMIC);
  if (unseen && !over_store) report_race(event, cell.write & NUMBER, "wrote");
  if (event.writes()) {
    if (!reads_over(cell.read, now)) report_race(event, cell.read & NUMBER, "read");
    cell = {with_write(cell.write, event, number), 0};
  } else if (!event.atomic()) {  // that an atomic load precedes a plain write goes unnoticed
    cell.read = with_read(cell.read, number, now);
  }
  return over_store;
}

void check_cells(const Region& region, const Event& event, uintptr_t address, size_t bytes) {
  Cell* cells = region.cells + (address - region.low);
  uint32_t overwritten = 0;
  for (size_t i = 0; i < bytes; i++) {
    uint32_t writer = cells[i].write & NUMBER;
    if (check_cell(cells[i], event)) overwritten = writer;
  }
  if (overwritten != 0) remember_overwrite(event, overwritten, address, bytes);
}

void check_region(const Region& region, uintptr_t address, size_t bytes, Access access,
                  const Where& at) {
  Where where = at;
  where.subject = region.name;
  if (address + bytes > region.high) stop_out_of_bounds(where, region.high);
  if (address % bytes != 0)
    stop("misaligned", where, "touches %zu bytes of %s'%s' at byte %zu, no multiple of %zu", bytes,
         memory_name(region.memory), region.name, size_t(address - region.low), bytes);
  Event event = {&region, access, where, (address - region.low) / region.element_bytes};
  if (region.role == Role::input) {
    if (event.writes()) stop("input-write", where, "writes input '%s'", region.name);
    return;
  }
  if (region.cells != nullptr) check_cells(region, event, address, bytes);
}

// Null and the like are left to the processor, which ends the kernel.
constexpr uintptr_t NEVER_MAPPED = 64 << 10;

void check(const volatile void* pointer, size_t bytes, Access access, const void* caller) {
  auto address = reinterpret_cast<uintptr_t>(pointer);
  latest_caller = caller;
  settle();
  if (on_a_stack(address)) return;  // a variable of a thread
  if (const Region* region = region_of(address)) {
    check_region(*region, address, bytes, access, at_call(caller));
    return;
  }
  bool in_program = address >= reinterpret_cast<uintptr_t>(__ehdr_start) &&
                    address < reinterpret_cast<uintptr_t>(_end);
  if (in_program || address < NEVER_MAPPED) return;
  stop_out_of_bounds(at_call(caller), address);
}

}  // namespace

void settle() {
  if (overwrite.who == nullptr) return;
  Fiber* running = current;
  current = overwrite.who;  // whom a report names
  overwrite.who = nullptr;
  auto now = reinterpret_cast<const void*>(overwrite.address);
  bool changed = memcmp(now, overwrite.before, overwrite.bytes) != 0;
  if (changed) report_race(overwrite.event, overwrite.other, "wrote");
  current = running;
}

void begin_threadgroup() {
  first_interval = next_interval;
  group_clock = {};
  memset(simd_clocks, 0, sizeof simd_clocks);
  forget_variables();
}

void tick(Clock& clock, unsigned flags) {
  clock.passed++;
  clock.fenced[DEVICE] += flags >> DEVICE & 1;
  clock.fenced[THREADGROUP] += flags >> THREADGROUP & 1;
}

void passed_threadgroup_barrier(unsigned flags) { tick(group_clock, flags); }
void passed_simdgroup_barrier(unsigned simdgroup, unsigned flags) {
  tick(simd_clocks[simdgroup], flags);
}

void atomic_read(const volatile void* from, void* to, size_t bytes) {
  if (msl_checked) check(from, bytes, Access::atomic_load, __builtin_return_address(0));
  memcpy(to, const_cast<const void*>(from), bytes);
}

void atomic_write(volatile void* to, const void* from, size_t bytes) {
  if (msl_checked) check(to, bytes, Access::atomic_store, __builtin_return_address(0));
  memcpy(const_cast<void*>(to), from, bytes);
}

}  // namespace mslrt

// ---- what the compiler calls (-fsanitize-coverage=trace-loads,trace-stores) -----------------

using mslrt::Access;

#define MSL_HOOKS(bytes)                                                      \
  extern "C" void __sanitizer_cov_load##bytes(void* address) {                \
    mslrt::check(address, bytes, Access::load, __builtin_return_address(0));  \
  }                                                                           \
  extern "C" void __sanitizer_cov_store##bytes(void* address) {               \
    mslrt::check(address, bytes, Access::store, __builtin_return_address(0)); \
  }
MSL_HOOKS(1)
MSL_HOOKS(2)
MSL_HOOKS(4)
MSL_HOOKS(8)
MSL_HOOKS(16)
#undef MSL_HOOKS
