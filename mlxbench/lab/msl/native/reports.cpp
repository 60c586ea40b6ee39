#include "reports.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "fibers.h"
#include "job.h"
#include "shadow.h"

extern "C" const char __ehdr_start[];  // the linker puts it where the program begins

namespace mslrt {

namespace {

constexpr unsigned MAX_REPORTS = 16;  // a kernel with more is wrong everywhere: enough is enough

struct Reported {
  const char* kind;
  Where where;
} reported[MAX_REPORTS];
unsigned n_reported = 0;

bool known(const char* kind, const Where& where) {
  for (unsigned i = 0; i < n_reported; i++) {
    const Reported& other = reported[i];
    if (strcmp(other.kind, kind) == 0 && other.where.site == where.site &&
        other.where.program_counter == where.program_counter &&
        other.where.subject == where.subject)
      return true;
  }
  return false;
}

int describe_thread(char* text, size_t room) {
  if (current == nullptr) return snprintf(text, room, "-");
  const Thread& t = current->thread;
  return snprintf(text, room, "thread %u (SIMD group %u, lane %u) of threadgroup (%u, %u, %u)",
                  t.index_in_threadgroup, t.simdgroup_index, t.index_in_simdgroup,
                  t.threadgroup_position.x, t.threadgroup_position.y, t.threadgroup_position.z);
}

void write_all(const char* text, size_t bytes) {
  while (bytes > 0) {
    ssize_t written = write(STDOUT_FILENO, text, bytes);
    if (written <= 0) _exit(70);
    text += written;
    bytes -= written;
  }
}

void report(const char* kind, const Where& where, const char* format, va_list values) {
  char line[1024];
  size_t used = snprintf(line, sizeof line, "%s\t%lx\t%lx\t%s\t%d\t", kind,
                         (unsigned long)where.program_counter, (unsigned long)where.latest_access,
                         where.site.file, where.site.line);
  used += describe_thread(line + used, sizeof line - used);
  line[used++] = '\t';
  used += vsnprintf(line + used, sizeof line - used - 1, format, values);
  if (used > sizeof line - 2) used = sizeof line - 2;  // vsnprintf tells what it would have written
  line[used++] = '\n';
  write_all(line, used);
}

uintptr_t within_program(const void* address) {
  return reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(__ehdr_start);
}

}  // namespace

Where at_site(const Site& site) { return {0, 0, site, nullptr}; }
Where about(const char* subject) { return {0, 0, {"", 0, 0}, subject}; }
// A return address may already belong to the next line; the byte before it is in the call.
Where at_call(const void* return_address) {
  return {within_program(return_address) - 1, 0, {"", 0, 0}, nullptr};
}
Where at_signal(const void* program_counter, const void* latest_caller) {
  uintptr_t latest = latest_caller == nullptr ? 0 : within_program(latest_caller) - 1;
  return {within_program(program_counter), latest, {"", 0, 0}, nullptr};
}

void note(const char* kind, const Where& where, const char* format, ...) {
  if (known(kind, where)) return;
  va_list values;
  va_start(values, format);
  report(kind, where, format, values);
  va_end(values);
  reported[n_reported++] = {kind, where};
  if (n_reported == MAX_REPORTS) _exit(0);
}

void stop(const char* kind, const Where& where, const char* format, ...) {
  va_list values;
  va_start(values, format);
  report(kind, where, format, values);
  va_end(values);
  _exit(0);
}

bool anything_reported() { return n_reported > 0; }

void report_done(unsigned long operations, size_t threadgroup_bytes) {
  char line[80];
  write_all(line, snprintf(line, sizeof line, "done\t%lu\t%zu\n", operations, threadgroup_bytes));
}

// ---- signals -------------------------------------------------------------------------------

namespace {

const void* interrupted_at(void* context) {
  auto* machine = &static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return reinterpret_cast<void*>(machine->gregs[REG_RIP]);
#else
  return reinterpret_cast<void*>(machine->pc);
#endif
}

[[noreturn]] void memory_fault(const Where& where, uintptr_t address) {
  if (on_a_stack(address))
    stop("crash", where, "the stack of 256 KiB overflowed: recursion, or huge register arrays");
  if (const Region* region = region_of(address); region && region->role == Role::input)
    stop("input-write", where, "writes input '%s'", region->name);
  if (in_the_arena(address) || in_threadgroup_memory(address)) stop_out_of_bounds(where, address);
  stop("crash", where, "touches address 0x%lx, which no pointer of a kernel may hold",
       (unsigned long)address);
}

void on_signal(int signal, siginfo_t* information, void* context) {
  Where where = at_signal(interrupted_at(context), latest_caller);
  switch (signal) {
    case SIGALRM:
      stop("timeout", where, "still runs after %g s", job.time_limit_ms / 1000.0f);
    case SIGFPE:
      stop("arithmetic", where, "divides an integer by zero, or the result overflows");
    case SIGSEGV:
    case SIGBUS:
      memory_fault(where, reinterpret_cast<uintptr_t>(information->si_addr));
    default:
      stop("crash", where, "ended by signal %d (%s)", signal, strsignal(signal));
  }
}

void limit_time() {
  itimerval timer = {};
  timer.it_value.tv_sec = job.time_limit_ms / 1000;
  timer.it_value.tv_usec = job.time_limit_ms % 1000 * 1000;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

void die_on_signals() {
  rlimit no_core_file = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core_file);
  static char stack[64 << 10];  // a fiber's stack may be the very thing that overflowed
  stack_t alternative = {};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  sigaltstack(&alternative, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGALRM};
  for (int signal : signals) sigaction(signal, &action, nullptr);
  limit_time();
}

}  // namespace mslrt
