// Findings go to standard output as they are made, one line each of tab-separated
//   KIND PROGRAM_COUNTER LATEST_ACCESS FILE LINE THREAD MESSAGE
// and `done OPERATIONS THREADGROUP_BYTES` follows when the whole grid has run. A process that ends
// without either was ended by its kernel. Kinds are those of findings.py.
#pragma once
#include "interface.h"

namespace mslrt {

// Where a finding was made: a place in the source, or in the program, whose line the parent finds
// in the debug information; either may be missing.
struct Where {
  uintptr_t program_counter;  // relative to where the program was loaded
  uintptr_t latest_access;    // likewise, for a signal that came outside of the kernel's own code
  Site site;
  const char* subject;  // what memory it is about; keeps findings at one place apart
};
Where at_site(const Site& site);
Where at_signal(const void* program_counter, const void* latest_caller);
Where at_call(const void* return_address);
Where about(const char* subject);

// Reports and goes on; the same kind at the same place about the same memory is reported once.
__attribute__((format(printf, 3, 4))) void note(const char* kind, const Where& where,
                                                const char* format, ...);
// Reports and ends the process: the kernel cannot sensibly go on.
[[noreturn]] __attribute__((format(printf, 3, 4))) void stop(const char* kind, const Where& where,
                                                             const char* format, ...);
bool anything_reported();
void report_done(unsigned long operations, size_t threadgroup_bytes);
void die_on_signals();  // turns signals that the kernel brings about into findings

}  // namespace mslrt
