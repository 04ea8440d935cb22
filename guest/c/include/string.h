// The part of the C library that the bindings use: the guest has no other.
#pragma once
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
size_t strlen(const char *text);
