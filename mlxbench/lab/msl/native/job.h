// What one process has to run: the launch, and buffers that lie in a file shared with the parent.
#pragma once
#include "interface.h"

namespace mslrt {

constexpr unsigned MAX_BUFFERS = 31;  // Metal has 31 buffer slots

enum class Role {
  input,        // read only
  output,       // starts undefined, and every byte must be written
  initialised,  // an output that starts with a value
};

struct Buffer {
  const char* name;
  Role role;
  uintptr_t low, high;  // its bytes are [low, high)
  size_t element_bytes;
};

struct Job {
  Index3 grid, threadgroup;
  unsigned order;          // 0 forwards, 1 backwards, else the seed of a shuffle
  unsigned time_limit_ms;  // 0: none
  unsigned n_buffers;
  Buffer buffers[MAX_BUFFERS];
  void* pointers[MAX_BUFFERS];  // what the kernel gets
};

extern Job job;

// Reads the command line and maps the buffers, each far from the others. See job.cpp.
void read_job(int count, char** words);
bool in_the_arena(uintptr_t address);
// Ends the process because of the machine or the caller, not because of the kernel.
[[noreturn]] void die(const char* problem);

}  // namespace mslrt
