// The memory that a kernel may touch: its buffers, and the variables of its threadgroup.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fibers.h"
#include "shadow.h"

// Whether the kernel was compiled with checks: then the compiler calls us on every access.
extern "C" const bool msl_checked;

namespace mslrt {

namespace {

constexpr unsigned MAX_VARIABLES = 64;
constexpr size_t SLOT_BYTES = 1 << 20;  // a variable lies in the middle of one, far from the others
constexpr size_t BEFORE_BYTES = SLOT_BYTES / 2;

struct Variable {
  int key;
  unsigned generation;  // the threadgroup for which it was last made undefined
} variables[MAX_VARIABLES];
unsigned n_variables = 0;

Region regions[MAX_BUFFERS + MAX_VARIABLES];  // the buffers, then the variables
unsigned n_regions = 0;
char* variable_arena = nullptr;
unsigned generation = 0;
size_t bytes_in_use = 0;

Cell* make_cells(size_t bytes) {
  if (!msl_checked || bytes == 0) return nullptr;
  void* cells = mmap(nullptr, bytes * sizeof(Cell), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (cells == MAP_FAILED) die("no memory for the shadow of a buffer");
  return static_cast<Cell*>(cells);
}

void add_variable(int key, const char* name, size_t bytes, size_t element_bytes) {
  bytes_in_use += bytes;
  if (bytes_in_use > MAX_THREADGROUP_BYTES)
    stop("house-rule", about(name),
         "declares '%s', which brings threadgroup memory to %zu bytes; the rule is at most %zu",
         name, bytes_in_use, MAX_THREADGROUP_BYTES);
  if (n_variables == MAX_VARIABLES) die("too many threadgroup variables");
  char* low = variable_arena + n_variables * SLOT_BYTES + BEFORE_BYTES;
  if (mprotect(low, MAX_THREADGROUP_BYTES, PROT_READ | PROT_WRITE) != 0)
    die("no memory for a threadgroup variable");
  variables[n_variables++] = {key, 0};
  auto address = reinterpret_cast<uintptr_t>(low);
  Cell* cells = make_cells(bytes);
  regions[n_regions++] = {name,          THREADGROUP, Role::output, address, address + bytes,
                          element_bytes, cells};
}

bool contains(const Region& region, uintptr_t address) {
  return address >= region.low && address < region.high;
}

const Region* nearest(uintptr_t address) {
  const Region* best = nullptr;
  uintptr_t least = ~uintptr_t(0);
  for (unsigned i = 0; i < n_regions; i++) {
    uintptr_t distance =
        address < regions[i].low ? regions[i].low - address : address - regions[i].high;
    if (distance < least) best = &regions[i], least = distance;
  }
  return best;
}

}  // namespace

void make_regions() {
  void* reserved = mmap(nullptr, MAX_VARIABLES * SLOT_BYTES, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) die("cannot reserve threadgroup memory");
  variable_arena = static_cast<char*>(reserved);
  for (unsigned i = 0; i < job.n_buffers; i++) {
    const Buffer& b = job.buffers[i];
    Cell* cells = b.role == Role::input ? nullptr : make_cells(b.high - b.low);
    regions[n_regions++] = {b.name, DEVICE, b.role, b.low, b.high, b.element_bytes, cells};
  }
}

void forget_variables() { generation++; }

void* threadgroup_variable(int key, const char* name, size_t bytes, size_t element_bytes) {
  unsigned i = 0;
  while (i < n_variables && variables[i].key != key) i++;
  if (i == n_variables) add_variable(key, name, bytes, element_bytes);
  auto* low = reinterpret_cast<void*>(regions[job.n_buffers + i].low);
  if (variables[i].generation != generation) {
    variables[i].generation = generation;
    memset(low, 0xff, bytes);  // threadgroup memory starts undefined: as floats, NaN
  }
  return low;
}

const Region* region_of(uintptr_t address) {
  static unsigned latest = 0;  // accesses come in runs
  if (latest < n_regions && contains(regions[latest], address)) return &regions[latest];
  for (unsigned i = 0; i < n_regions; i++) {
    if (!contains(regions[i], address)) continue;
    latest = i;
    return &regions[i];
  }
  return nullptr;
}

const char* memory_name(Memory memory) { return memory == THREADGROUP ? "threadgroup " : ""; }

bool in_threadgroup_memory(uintptr_t address) {
  return address - reinterpret_cast<uintptr_t>(variable_arena) < MAX_VARIABLES * SLOT_BYTES;
}

size_t threadgroup_bytes() { return bytes_in_use; }

[[noreturn]] void stop_out_of_bounds(const Where& where, uintptr_t address) {
  const Region* region = nearest(address);
  if (region == nullptr) stop("out-of-bounds", where, "touches memory of no buffer");
  long offset = static_cast<long>(address - region->low);
  long size = static_cast<long>(region->element_bytes);
  long element = offset >= 0 ? offset / size : (offset - size + 1) / size;
  stop("out-of-bounds", where, "touches element %ld of %s'%s', which has %zu elements", element,
       memory_name(region->memory), region->name,
       size_t(region->high - region->low) / region->element_bytes);
}

void check_written() {
  for (unsigned i = 0; i < job.n_buffers; i++) {
    const Region& region = regions[i];
    if (region.role != Role::output || region.cells == nullptr) continue;
    size_t n_missing = 0, first = 0, n_elements = (region.high - region.low) / region.element_bytes;
    for (size_t element = 0; element < n_elements; element++) {
      bool written = true;
      for (size_t byte = 0; byte < region.element_bytes; byte++)
        written = written && region.cells[element * region.element_bytes + byte].write != 0;
      if (!written && n_missing++ == 0) first = element;
    }
    if (n_missing > 0)
      note("unwritten-output", about(region.name),
           "%zu of %zu elements of output '%s' are never written; the first is element %zu",
           n_missing, n_elements, region.name, first);
  }
}

}  // namespace mslrt
