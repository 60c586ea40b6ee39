// The command line is
//   FILE_DESCRIPTOR GRID(3) THREADGROUP(3) ORDER TIME_LIMIT_MS
// and then for each buffer
//   NAME ROLE OFFSET BYTES ELEMENT_BYTES
// with OFFSET in the file, a multiple of the page size. Each buffer has a wide gap without access
// on both sides, so that a wrong index does not fall into another buffer, and is a fault of the
// processor even where nothing checks it.
#include "job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

namespace mslrt {

Job job;

namespace {

constexpr size_t GAP_BYTES = 256 << 20;

char* arena = nullptr;
size_t arena_bytes = 0;

struct Words {
  int left;
  char** next;

  const char* word() {
    if (left-- <= 0) die("too few words in the job");
    return *next++;
  }
  unsigned long number() {
    const char* text = word();
    char* end = nullptr;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == 0 || *end != 0) die("not a number in the job");
    return value;
  }
  Index3 index3() {
    unsigned x = number(), y = number(), z = number();
    return {x, y, z};
  }
};

size_t whole_pages(size_t bytes) {
  size_t page = sysconf(_SC_PAGESIZE);
  return (bytes + page - 1) / page * page;
}

Role role_of(const char* word) {
  if (strcmp(word, "input") == 0) return Role::input;
  if (strcmp(word, "output") == 0) return Role::output;
  if (strcmp(word, "initialised") == 0) return Role::initialised;
  die("unknown role of a buffer in the job");
}

void map(int file, size_t offset, size_t bytes, Role role, char* where) {
  if (bytes == 0) return;  // an empty buffer: every access is out of bounds
  int access = role == Role::input ? PROT_READ : PROT_READ | PROT_WRITE;
  void* mapped = mmap(where, whole_pages(bytes), access, MAP_SHARED | MAP_FIXED, file, offset);
  if (mapped == MAP_FAILED) die("cannot map a buffer");
}

}  // namespace

[[noreturn]] void die(const char* problem) {
  dprintf(STDERR_FILENO, "msl-cpu: %s\n", problem);
  _exit(70);  // EX_SOFTWARE of sysexits.h
}

bool in_the_arena(uintptr_t address) {
  return address - reinterpret_cast<uintptr_t>(arena) < arena_bytes;
}

void read_job(int count, char** words) {
  Words in{count, words};
  int file = in.number();
  job.grid = in.index3();
  job.threadgroup = in.index3();
  job.order = in.number();
  job.time_limit_ms = in.number();
  size_t offsets[MAX_BUFFERS];
  arena_bytes = GAP_BYTES;
  while (in.left > 0) {
    if (job.n_buffers == MAX_BUFFERS) die("more than 31 buffers");
    Buffer& buffer = job.buffers[job.n_buffers];
    buffer.name = in.word();
    buffer.role = role_of(in.word());
    offsets[job.n_buffers++] = in.number();
    buffer.low = arena_bytes;  // relative until the arena is there
    buffer.high = buffer.low + in.number();
    buffer.element_bytes = in.number();
    arena_bytes += whole_pages(buffer.high - buffer.low) + GAP_BYTES;
  }
  void* reserved =
      mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) die("cannot reserve address space for the buffers");
  arena = static_cast<char*>(reserved);
  for (unsigned i = 0; i < job.n_buffers; i++) {
    Buffer& buffer = job.buffers[i];
    char* where = arena + buffer.low;
    map(file, offsets[i], buffer.high - buffer.low, buffer.role, where);
    buffer.low += reinterpret_cast<uintptr_t>(arena);
    buffer.high += reinterpret_cast<uintptr_t>(arena);
    job.pointers[i] = where;
  }
}

}  // namespace mslrt
