// What a compiled kernel and the runtime know of each other. The kernel sees nothing else of the
// runtime, and the runtime nothing of the kernel but `msl_kernel`.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace mslrt {

constexpr unsigned SIMD_WIDTH = 32;
constexpr unsigned MAX_THREADS = 1024;      // of a threadgroup, on every Apple GPU
constexpr size_t MAX_EXCHANGED_BYTES = 16;  // a float4: the largest value of a SIMD function
constexpr size_t MAX_THREADGROUP_BYTES = 32768;

struct Index3 {
  unsigned x, y, z;
};

// Where one thread stands: everything that a kernel's attributes can ask for.
struct Thread {
  Index3 position_in_grid, position_in_threadgroup, threadgroup_position;
  Index3 threads_per_threadgroup;           // of this threadgroup: the last may be partial
  Index3 dispatch_threads_per_threadgroup;  // as asked for at launch
  Index3 threads_per_grid, threadgroups_per_grid;
  unsigned index_in_threadgroup, index_in_simdgroup, simdgroup_index;
  unsigned simdgroups, dispatch_simdgroups;
};

// A place in the source, which the compiler fills in as a default argument of what is called there.
struct Site {
  const char* file;
  int line, column;
  bool operator==(const Site& other) const {
    return line == other.line && column == other.column && file == other.file;
  }
};
#define MSL_HERE \
  ::mslrt::Site { __builtin_FILE(), __builtin_LINE(), __builtin_COLUMN() }

// The values that the lanes of a SIMD group brought to one call, and which lanes came.
struct Exchange {
  const unsigned char (*values)[MAX_EXCHANGED_BYTES];
  uint32_t active;
};

// Gives this lane's value, waits for the other live lanes, and returns everybody's.
Exchange exchange(const void* value, size_t bytes, const char* operation, const Site& site);
unsigned lane();
// Reports that `operation` reads a lane which is not there. Does not return.
void inactive_lane(const char* operation, unsigned source, const Site& site);

// `flags` are Metal's: 1 device memory, 2 threadgroup memory.
void threadgroup_barrier(unsigned flags, const Site& site);
void simdgroup_barrier(unsigned flags, const Site& site);

// Where a variable of the current threadgroup lies; `key` is another for each declaration.
void* threadgroup_variable(int key, const char* name, size_t bytes, size_t element_bytes);

// Atomic operations go through these two, so that they are not taken for plain accesses. Nothing
// runs between a read and its write: threads change only where they wait.
void atomic_read(const volatile void* from, void* to, size_t bytes);
void atomic_write(volatile void* to, const void* from, size_t bytes);

}  // namespace mslrt

// The kernel, called once for each thread; generated next to the kernel's own text.
extern "C" void msl_kernel(void* const* buffers, const mslrt::Thread& thread);
