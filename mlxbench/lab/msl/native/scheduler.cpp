// Runs the grid, one threadgroup after the other. Within a threadgroup each SIMD group runs as far
// as it can, up to a threadgroup barrier or its end, and within a SIMD group each lane up to a call
// that needs the others.
//
// The order of threadgroups, SIMD groups and lanes is free on a GPU. So it is here: the job gives
// it, and a kernel whose result changes with it is wrong.
#include <string.h>
#include <unistd.h>

#include "fibers.h"
#include "job.h"
#include "reports.h"
#include "shadow.h"

namespace mslrt {

namespace {

struct SimdGroup {
  // Two buffers in turn: a fast lane brings its next value while a slow one still reads the last.
  unsigned char values[2][SIMD_WIDTH][MAX_EXCHANGED_BYTES];
  uint32_t active;
} simdgroups[MAX_THREADS / SIMD_WIDTH];

unsigned long n_operations = 0;
unsigned barrier_flags = 0;  // of the barrier at which threads wait; the same for all of them

// ---- order ----------------------------------------------------------------------------------

// A permutation of 0..count-1: the index that comes at `position`.
struct Order {
  unsigned count, step, start;

  explicit Order(unsigned n) : count(n), step(1), start(0) {
    if (job.order < 2) return;
    uint64_t seed = job.order * 0x9e3779b97f4a7c15ull;
    start = (seed >> 32) % count;
    step = (seed >> 40) % count + 1;
    while (greatest_common_divisor(step, count) != 1) step++;
  }
  unsigned at(unsigned position) const {
    if (job.order == 1) return count - 1 - position;
    return (start + uint64_t(step) * position) % count;
  }
  static unsigned greatest_common_divisor(unsigned a, unsigned b) {
    while (b != 0) {
      unsigned rest = a % b;
      a = b;
      b = rest;
    }
    return a;
  }
};

// ---- one SIMD group -------------------------------------------------------------------------

struct Lanes {
  unsigned first, count;  // threads of the threadgroup
};

Lanes lanes_of(unsigned simdgroup, unsigned n_threads) {
  unsigned first = simdgroup * SIMD_WIDTH;
  return {first, n_threads - first < SIMD_WIDTH ? n_threads - first : SIMD_WIDTH};
}

void run_lanes(const Lanes& lanes, const Order& order) {
  for (unsigned i = 0; i < lanes.count; i++) {
    Fiber& fiber = fibers[lanes.first + order.at(i)];
    if (fiber.state != State::runnable) continue;
    resume(fiber);
    settle();
  }
}

[[noreturn]] void stop_divergent(const Fiber& one, const Fiber& other) {
  current = const_cast<Fiber*>(&other);  // whom the report names
  stop("divergence", at_site(other.site),
       "is at %s (wait %u), but thread %u is at %s of line %d (wait %u)", other.operation,
       other.calls, one.thread.index_in_threadgroup, one.operation, one.site.line, one.calls);
}

bool together(const Fiber& one, const Fiber& other) {
  return one.state == other.state && one.calls == other.calls && one.site == other.site &&
         strcmp(one.operation, other.operation) == 0;
}

// The first lane that has not returned, once all such lanes wait at the same call; else null.
Fiber* waiting_lanes(const Lanes& lanes, uint32_t& active) {
  Fiber* first = nullptr;
  active = 0;
  for (unsigned i = 0; i < lanes.count; i++) {
    Fiber& fiber = fibers[lanes.first + i];
    if (fiber.state == State::done) continue;
    active |= 1u << i;
    if (first == nullptr) first = &fiber;
    if (!together(*first, fiber)) stop_divergent(*first, fiber);
  }
  return first;
}

// Runs a SIMD group until all its lanes have returned or wait at a threadgroup barrier.
void run_simdgroup(unsigned simdgroup, unsigned n_threads) {
  Lanes lanes = lanes_of(simdgroup, n_threads);
  Order order(lanes.count);
  for (;;) {
    run_lanes(lanes, order);
    uint32_t active;
    Fiber* first = waiting_lanes(lanes, active);
    if (first == nullptr || first->state == State::at_threadgroup_barrier) return;
    if (first->state == State::at_simdgroup_barrier)
      passed_simdgroup_barrier(simdgroup, barrier_flags);
    simdgroups[simdgroup].active = active;
    for (unsigned i = 0; i < lanes.count; i++) {
      Fiber& fiber = fibers[lanes.first + i];
      if (fiber.state == State::done) continue;
      if (fiber.state == State::at_simdgroup_barrier) fiber.interval = 0;
      fiber.state = State::runnable;
    }
  }
}

// ---- one threadgroup ------------------------------------------------------------------------

[[noreturn]] void stop_missing(const Fiber& waiting, const Fiber& returned) {
  current = const_cast<Fiber*>(&returned);
  stop("divergence", at_site(waiting.site), "has returned, but thread %u waits for it at %s",
       waiting.thread.index_in_threadgroup, waiting.operation);
}

// Lets all threads go on from the barrier at which they wait. False when all have returned.
bool pass_barrier(unsigned n_threads) {
  Fiber *waiting = nullptr, *returned = nullptr;
  for (unsigned i = 0; i < n_threads; i++) {
    Fiber& fiber = fibers[i];
    if (fiber.state == State::done) {
      returned = &fiber;
    } else if (waiting == nullptr) {
      waiting = &fiber;
    } else if (!(fiber.site == waiting->site)) {
      stop_divergent(*waiting, fiber);
    }
  }
  if (waiting == nullptr) return false;
  if (returned != nullptr) stop_missing(*waiting, *returned);
  passed_threadgroup_barrier(barrier_flags);
  for (unsigned i = 0; i < n_threads; i++) {
    fibers[i].state = State::runnable;
    fibers[i].interval = 0;
  }
  return true;
}

unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }
unsigned volume(const Index3& size) { return size.x * size.y * size.z; }
unsigned in_simdgroups(unsigned threads) { return (threads + SIMD_WIDTH - 1) / SIMD_WIDTH; }
Index3 unflatten(unsigned index, const Index3& size) {
  return {index % size.x, index / size.x % size.y, index / size.x / size.y};
}

// The threadgroup at `position`: the last in each direction holds only what is left of the grid.
Index3 size_at(const Index3& position, const Index3& whole) {
  const Index3& grid = job.grid;
  return {least(whole.x, grid.x - position.x * whole.x),
          least(whole.y, grid.y - position.y * whole.y),
          least(whole.z, grid.z - position.z * whole.z)};
}

void place(Thread& thread, unsigned index, const Index3& group, const Index3& size,
           const Index3& whole, const Index3& n_groups) {
  Index3 inside = unflatten(index, size);
  thread.position_in_threadgroup = inside;
  thread.position_in_grid = {group.x * whole.x + inside.x, group.y * whole.y + inside.y,
                             group.z * whole.z + inside.z};
  thread.threadgroup_position = group;
  thread.threads_per_threadgroup = size;
  thread.dispatch_threads_per_threadgroup = whole;
  thread.threads_per_grid = job.grid;
  thread.threadgroups_per_grid = n_groups;
  thread.index_in_threadgroup = index;
  thread.index_in_simdgroup = index % SIMD_WIDTH;
  thread.simdgroup_index = index / SIMD_WIDTH;
  thread.simdgroups = in_simdgroups(volume(size));
  thread.dispatch_simdgroups = in_simdgroups(volume(whole));
}

void run_threadgroup(const Index3& group, const Index3& whole, const Index3& n_groups) {
  Index3 size = size_at(group, whole);
  unsigned n_threads = volume(size);
  begin_threadgroup();
  for (unsigned i = 0; i < n_threads; i++) {
    prepare(fibers[i], i);
    place(fibers[i].thread, i, group, size, whole, n_groups);
  }
  Order order(in_simdgroups(n_threads));
  do {
    for (unsigned i = 0; i < order.count; i++) run_simdgroup(order.at(i), n_threads);
  } while (pass_barrier(n_threads));
}

void run_grid() {
  // As mlx launches: a threadgroup is never larger than the grid.
  Index3 whole = {least(job.threadgroup.x, job.grid.x), least(job.threadgroup.y, job.grid.y),
                  least(job.threadgroup.z, job.grid.z)};
  Index3 n_groups = {(job.grid.x + whole.x - 1) / whole.x, (job.grid.y + whole.y - 1) / whole.y,
                     (job.grid.z + whole.z - 1) / whole.z};
  Order order(volume(n_groups));
  for (unsigned i = 0; i < order.count; i++)
    run_threadgroup(unflatten(order.at(i), n_groups), whole, n_groups);
}

}  // namespace

// ---- where threads wait ---------------------------------------------------------------------

Exchange exchange(const void* value, size_t bytes, const char* operation, const Site& site) {
  SimdGroup& group = simdgroups[current->thread.simdgroup_index];
  auto* values = group.values[current->calls & 1];
  memcpy(values[lane()], value, bytes);
  n_operations++;
  wait(State::at_simd_call, operation, site);
  return {values, group.active};
}

void inactive_lane(const char* operation, unsigned source, const Site& site) {
  stop("divergence", at_site(site), "reads lane %u by %s, which is not there: that is undefined",
       source, operation);
}

void threadgroup_barrier(unsigned flags, const Site& site) {
  barrier_flags = flags;
  n_operations++;
  wait(State::at_threadgroup_barrier, "threadgroup_barrier", site);
}

void simdgroup_barrier(unsigned flags, const Site& site) {
  barrier_flags = flags;
  n_operations++;
  wait(State::at_simdgroup_barrier, "simdgroup_barrier", site);
}

}  // namespace mslrt

int main(int count, char** words) {
  using namespace mslrt;
  read_job(count - 1, words + 1);
  make_stacks();
  make_regions();
  die_on_signals();
  run_grid();
  check_written();
  report_done(n_operations, threadgroup_bytes());
  _exit(0);  // nothing of the kernel runs at exit
}
