// Metal's address spaces as real, distinct pointer types: a mix-up does not compile, as on Metal.
#pragma once
#include "interface.h"

#define device __attribute__((address_space(1)))
#define constant const __attribute__((address_space(2)))
#define threadgroup __attribute__((address_space(3)))
#define thread  // what a thread keeps for itself lies in C++'s own address space
#define METAL_FUNC inline

// Functions of the shim vanish from the debug information: a line is always the kernel's.
#define MSL_INLINE inline __attribute__((always_inline, nodebug))
#define MSL_SITE const ::mslrt::Site& site = MSL_HERE

namespace mslrt {

template <class T> struct element {
  using type = T;
};
template <class T, size_t N> struct element<T[N]> {
  using type = typename element<T>::type;
};

// What `threadgroup float name[8];` becomes a reference to: see translating.py.
template <class T> MSL_INLINE threadgroup T& variable(int key, const char* name) {
  void* memory = threadgroup_variable(key, name, sizeof(T), sizeof(typename element<T>::type));
  return *(threadgroup T*)memory;
}

}  // namespace mslrt
