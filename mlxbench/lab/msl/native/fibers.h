// One fiber per Metal thread: a stack of its own, and a switch that saves only what a call must
// preserve. No operating-system thread is made, so a run is deterministic and a switch takes
// nanoseconds.
#pragma once
#include "interface.h"

namespace mslrt {

enum class State { runnable, at_simd_call, at_simdgroup_barrier, at_threadgroup_barrier, done };

struct Fiber {
  void* stack_pointer;
  State state;
  Site site;              // where it waits
  const char* operation;  // what it waits in
  unsigned calls;         // how often it has waited: lanes side by side have waited equally often
  uint32_t interval;      // of the shadow memory; 0 until its first access after a barrier
  Thread thread;
};

extern Fiber fibers[MAX_THREADS];
extern Fiber* current;  // the running fiber; null in the scheduler

void make_stacks();
bool on_a_stack(uintptr_t address);
void prepare(Fiber& fiber, unsigned index);
void resume(Fiber& fiber);
// Stops the current fiber until the scheduler makes it runnable again.
void wait(State state, const char* operation, const Site& site);

}  // namespace mslrt
