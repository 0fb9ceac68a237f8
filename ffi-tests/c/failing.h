/* Allocations that fail when they are told to. A program that includes this is linked with --wrap for
 * each of these functions, so that the calls come here. */

#ifndef FAILING_H
#define FAILING_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);

/* The number of calls so far, on all threads, and which one is the first and the last to fail. */
static long count, first, last;

static bool fails(void) {
    long k = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    return first <= k && k <= last;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size) {
    return fails() ? ENOMEM : __real_posix_memalign(out, alignment, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

static void start_failing(long from, long to) {
    count = 0;
    first = from;
    last = to;
}

#endif
