/* An allocation fails, alone or with all that follow: the run must end in a status and leave the
 * graph usable. Linked with --wrap for each allocating function, so that the calls come here.
 *
 *     allocation example|training one|all k
 *
 * Tries the k-th allocation, counted from 1. Returns 77 when there are fewer. What is allocated
 * once a process can fail only in a new process, so each k is one run of this program. */

#include <errno.h>
#include <limits.h>

#include "check.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);

/* The number of allocations so far, and which one is the first and the last to fail. */
static long count, first, last;

static int fails(void) {
    count++;
    return first <= count && count <= last;
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

/* The example of the README. */
static bg_status example(bg_graph *g) {
    bg_node x = bg_param_f32(g, (float[]){0, 1, 2, 3}, 4);
    bg_node y = bg_scale(g, bg_dot(g, x, x), 2.0);
    float dx[4];
    bg_backward(g, y);
    return bg_read_grad(g, x, dx, sizeof dx);
}

enum { BATCH = 32, INPUTS = 64, HIDDEN = 64, CLASSES = 10 };

static bg_node weights(bg_graph *g, size_t rows, size_t columns) {
    bg_node w = bg_normal(g, BG_F32, (size_t[]){rows, columns}, 2, 0, 0.1);
    bg_set_requires_grad(g, w, true);
    return w;
}

/* One step of training a network, large enough for packed matrix products. */
static bg_status training_step(bg_graph *g) {
    bg_node x = bg_normal(g, BG_F32, (size_t[]){BATCH, INPUTS}, 2, 0, 1);
    bg_node classes = bg_zeros(g, BG_I64, (size_t[]){BATCH}, 1);
    bg_node w1 = weights(g, INPUTS, HIDDEN), w2 = weights(g, HIDDEN, CLASSES);
    bg_node b1 = weights(g, 1, HIDDEN), b2 = weights(g, 1, CLASSES);
    bg_set_label(g, w1, "first layer");
    bg_node hidden = bg_relu(g, bg_add(g, bg_matmul(g, x, w1), b1));
    bg_node logits = bg_add(g, bg_matmul(g, hidden, w2), b2);
    bg_node layers[] = {logits, logits};
    bg_node both = bg_concat(g, layers, 2, 1);
    bg_node loss = bg_add(g, bg_cross_entropy(g, logits, classes), bg_mean_all(g, both));
    bg_backward(g, loss);
    bg_adam_step(g, NULL);
    double value;
    return bg_item(g, loss, &value);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        return 2;
    }
    bg_status (*program)(bg_graph *) = strcmp(argv[1], "training") == 0 ? training_step : example;
    long k = atol(argv[3]);
    start_failing(k, strcmp(argv[2], "all") == 0 ? LONG_MAX : k);
    bg_graph *g = bg_graph_new();
    bg_status status = program(g);
    bool is_reached = count >= k;
    start_failing(0, -1);

    /* Some failures can be got over; then the result is there. */
    CHECK(status == BG_OK || (is_reached && status == BG_ERR_MEMORY));
    CHECK(status == BG_OK || *bg_error_message(g) != '\0');
    if (g != NULL) {
        bg_clear_error(g);
        CHECK(program(g) == BG_OK);
        bg_reset(g);
        CHECK(program(g) == BG_OK);
    }
    bg_graph_free(g);
    return failures != 0 ? 1 : is_reached ? 0 : 77;
}
