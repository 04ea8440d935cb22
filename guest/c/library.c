// A C library that is just large enough: memory is taken from the end of what is used, and given back only
// when the program ends.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 65536, ALIGNMENT = 16 };

extern unsigned char __heap_base;
static uintptr_t next;

// Each piece of memory has its size before it.
void *malloc(size_t size) {
  if (next == 0) next = (uintptr_t)&__heap_base;
  uintptr_t place = (next + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + ALIGNMENT;
  uintptr_t end = place + size;
  size_t pages = __builtin_wasm_memory_size(0);
  if (end < place) abort();
  if (end > pages * PAGE) {
    size_t more = (end - pages * PAGE + PAGE - 1) / PAGE;
    if (__builtin_wasm_memory_grow(0, more) == (size_t)-1) abort();
  }
  ((size_t *)place)[-1] = size;
  next = end;
  return (void *)place;
}

void *realloc(void *old, size_t size) {
  size_t had = old ? ((size_t *)old)[-1] : 0;
  if (size <= had) return old;
  void *place = malloc(size);
  if (old) memcpy(place, old, had);
  return place;
}

void free(void *memory) { (void)memory; }

void abort(void) { __builtin_trap(); }

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  unsigned char *at = to;
  const unsigned char *source = from;
  while (size--) *at++ = *source++;
  return to;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}
