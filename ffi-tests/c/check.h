/* Checks that tell where they fail, and count. A program returns `failures != 0`. */

#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bumpgrad.h"

static int failures;

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                       \
            failures++;                                                                           \
        }                                                                                         \
    } while (0)

/* The graph remembers this status, and the message has these words; then the error is cleared. */
#define FAILS(g, status, words) check_error(__FILE__, __LINE__, (g), (status), (words))

static inline void check_error(const char *file, int line, bg_graph *g, bg_status status,
                               const char *words) {
    if (bg_last_status(g) != status || strstr(bg_error_message(g), words) == NULL) {
        fprintf(stderr, "%s:%d: status %d, not %d, or no \"%s\" in \"%s\"\n", file, line,
                (int)bg_last_status(g), (int)status, words, bg_error_message(g));
        failures++;
    }
    bg_clear_error(g);
}

#define COUNT(...) (sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

/* The elements of x, whatever its type, are these numbers, to within a relative tolerance. */
#define NEAR(g, x, tolerance, ...)                                                                \
    check_near(__FILE__, __LINE__, (g), (x), (tolerance), (const double[]){__VA_ARGS__},          \
               COUNT(__VA_ARGS__))
#define IS(g, x, ...) NEAR(g, x, 0.0, __VA_ARGS__)
#define GRAD_IS(g, x, ...) IS(g, bg_grad_tensor(g, x), __VA_ARGS__)

static inline double element(const void *data, int32_t dtype, size_t i) {
    switch (dtype) {
    case BG_F32: return (double)((const float *)data)[i];
    case BG_F64: return ((const double *)data)[i];
    case BG_I64: return (double)((const int64_t *)data)[i];
    default: return (double)((const uint8_t *)data)[i];
    }
}

static inline int is_near(double found, double wanted, double tolerance) {
    if (isnan(wanted) || isinf(wanted)) {
        return isnan(wanted) ? isnan(found) : found == wanted;
    }
    return fabs(found - wanted) <= tolerance * fmax(1.0, fabs(wanted));
}

static inline void check_near(const char *file, int line, bg_graph *g, bg_node x, double tolerance,
                              const double *wanted, size_t n) {
    const void *data = bg_data(g, x);
    if (data == NULL || bg_len(g, x) != n) {
        fprintf(stderr, "%s:%d: %zu elements, not %zu: %s\n", file, line, bg_len(g, x), n,
                bg_error_message(g));
        failures++;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double found = element(data, bg_dtype(g, x), i);
        if (!is_near(found, wanted[i], tolerance)) {
            fprintf(stderr, "%s:%d: element %zu is %.17g, not %.17g\n", file, line, i, found,
                    wanted[i]);
            failures++;
        }
    }
}

/* The shape of x is this. */
#define SHAPE_IS(g, x, ...)                                                                       \
    check_shape(__FILE__, __LINE__, (g), (x), (const double[]){__VA_ARGS__}, COUNT(__VA_ARGS__))

static inline void check_shape(const char *file, int line, bg_graph *g, bg_node x,
                               const double *wanted, size_t rank) {
    size_t dims[BG_MAX_RANK];
    int is_right = bg_shape(g, x, dims, BG_MAX_RANK) == BG_OK && bg_rank(g, x) == (int32_t)rank;
    for (size_t i = 0; is_right && i < rank; i++) {
        is_right = (double)dims[i] == wanted[i];
    }
    if (!is_right) {
        fprintf(stderr, "%s:%d: another shape. %s\n", file, line, bg_error_message(g));
        failures++;
    }
}

#endif
