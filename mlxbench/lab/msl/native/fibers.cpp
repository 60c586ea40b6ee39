#include "fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "job.h"

// Saves the callee-saved registers on the current stack, keeps its pointer in *from, and goes on
// with the stack `to`. A new stack holds the frame that `prepare` laid out below.
extern "C" void msl_switch(void** from, void* to);

#if defined(__x86_64__)
__asm__(R"(
.text
.globl msl_switch
msl_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
)");
#elif defined(__aarch64__)
__asm__(R"(
.text
.globl msl_switch
msl_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
#else
#error "msl-cpu has no context switch for this processor: x86-64 and aarch64 are known"
#endif

namespace mslrt {

Fiber fibers[MAX_THREADS];
Fiber* current = nullptr;

namespace {

constexpr size_t STACK_BYTES = 256 << 10;
constexpr size_t GUARD_BYTES = 64 << 10;  // below each stack: an overflow must not reach the next
constexpr size_t SLOT_BYTES = STACK_BYTES + GUARD_BYTES;

char* stacks = nullptr;
void* scheduler_stack = nullptr;

void body() {
  msl_kernel(job.pointers, current->thread);
  current->state = State::done;
  msl_switch(&current->stack_pointer, scheduler_stack);
  abort();  // a finished fiber is never resumed
}

}  // namespace

void make_stacks() {
  void* reserved = mmap(nullptr, SLOT_BYTES * MAX_THREADS, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) die("cannot reserve memory for the stacks of 1024 threads");
  stacks = static_cast<char*>(reserved);
}

bool on_a_stack(uintptr_t address) {
  return address - reinterpret_cast<uintptr_t>(stacks) < SLOT_BYTES * MAX_THREADS;
}

void prepare(Fiber& fiber, unsigned index) {
  static unsigned usable = 0;  // stacks made so far; they are kept for the next threadgroup
  char* low = stacks + index * SLOT_BYTES + GUARD_BYTES;
  if (index == usable) {
    if (mprotect(low, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) die("no memory for a stack");
    usable++;
  }
  void** top = reinterpret_cast<void**>(low + STACK_BYTES - 64);
#if defined(__x86_64__)
  *--top = nullptr;  // the return address of `body`; also aligns the stack as at a call
  *--top = reinterpret_cast<void*>(body);
  top -= 6;
#elif defined(__aarch64__)
  top -= 20;
  top[11] = reinterpret_cast<void*>(body);  // x30, the address that `ret` goes to
  top[10] = nullptr;                        // x29: the frame chain ends here
#endif
  fiber.stack_pointer = top;
  fiber.state = State::runnable;
  fiber.site = {"", 0, 0};
  fiber.operation = "";
  fiber.calls = 0;
  fiber.interval = 0;
}

void resume(Fiber& fiber) {
  current = &fiber;
  msl_switch(&scheduler_stack, fiber.stack_pointer);
  current = nullptr;
}

void wait(State state, const char* operation, const Site& site) {
  current->state = state;
  current->operation = operation;
  current->site = site;
  current->calls++;
  msl_switch(&current->stack_pointer, scheduler_stack);
}

unsigned lane() { return current->thread.index_in_simdgroup; }

}  // namespace mslrt
