/* Threads when memory is exhausted: each allocation fails, or each start of a thread, alone or with
 * all that follow, or the address space is full. The result is right or BG_ERR_MEMORY, and nothing
 * aborts. Linked with --wrap for what can fail.
 *
 *     pool one|all k      the k-th call, counted from 1; 77 when there are fewer
 *     pool space bytes    so much address space is left when the first threads are started
 *     pool steady         once warm, evaluations on several threads allocate nothing */

#define _DEFAULT_SOURCE

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "failing.h"

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument);
int __real_pthread_attr_init(pthread_attr_t *attributes);
int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument) {
    return fails() ? EAGAIN : __real_pthread_create(thread, attributes, start, argument);
}

int __wrap_pthread_attr_init(pthread_attr_t *attributes) {
    return fails() ? ENOMEM : __real_pthread_attr_init(attributes);
}

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    return fails() ? ENOMEM : __real_pthread_atfork(prepare, parent, child);
}

enum { SIZE = 200000, SIDE = 200 };

/* Steps that are shared: a chain with a sum, its gradient, and a product. */
static bg_status evaluate(bg_graph *g, double *sum) {
    bg_node x = bg_full(g, BG_F64, (size_t[]){SIZE}, 1, 2);
    bg_set_requires_grad(g, x, true);
    bg_node a = bg_full(g, BG_F32, (size_t[]){SIDE, SIDE}, 2, 1);
    bg_node product = bg_cast(g, bg_mean_all(g, bg_matmul(g, a, a)), BG_F64);
    bg_node y = bg_add(g, bg_sum_all(g, bg_log(g, bg_exp(g, bg_square(g, x)))), product);
    bg_backward(g, y);
    return bg_item(g, y, sum);
}

/* Three evaluations, with a shutdown before the last. */
static bg_status program(bg_graph *g) {
    bg_status status = BG_ERR_MEMORY;
    for (int i = 0; i < 3; i++) {
        double sum = 0;
        bg_set_num_threads(g, 4);
        status = evaluate(g, &sum);
        if (status != BG_OK) {
            return status;
        }
        CHECK(fabs(sum - (4.0 * SIZE + SIDE)) < 1e-6);
        bg_reset(g);
        if (i == 1) {
            bg_shutdown();
        }
    }
    return status;
}

/* Address space for half of what the threads want, or less, or more. */
static int within(size_t bytes) {
    bg_graph *g = bg_graph_new();
    bg_set_num_threads(g, 1);
    double sum;
    CHECK(evaluate(g, &sum) == BG_OK);
    bg_reset(g);
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    CHECK(file != NULL && fscanf(file, "%zu", &pages) == 1);
    fclose(file);
    struct rlimit limit = {0, RLIM_INFINITY};
    limit.rlim_cur = pages * (size_t)sysconf(_SC_PAGESIZE) + bytes;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    bg_status status = program(g);
    CHECK(status == BG_OK || status == BG_ERR_MEMORY);
    bg_clear_error(g);
    bg_reset(g);
    bg_shutdown();
    limit.rlim_cur = RLIM_INFINITY;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(program(g) == BG_OK);
    bg_graph_free(g);
    return failures != 0;
}

static int steady(void) {
    bg_graph *g = bg_graph_new();
    bg_set_num_threads(g, 4);
    bg_node x = bg_full(g, BG_F64, (size_t[]){SIZE}, 1, 2);
    bg_set_requires_grad(g, x, true);
    bg_place mark = bg_mark(g);
    for (int i = 0; i < 30; i++) {
        if (i == 5) {
            start_failing(1, LONG_MAX);
        }
        bg_node y = bg_sum_all(g, bg_log(g, bg_exp(g, bg_square(g, x))));
        double sum;
        CHECK(bg_backward(g, y) == BG_OK && bg_item(g, y, &sum) == BG_OK);
        bg_rewind(g, mark);
    }
    CHECK(count == 0);
    start_failing(0, -1);
    bg_graph_free(g);
    return failures != 0;
}

int main(int argc, char **argv) {
    alarm(60); /* rather than hang */
    if (argc == 2 && strcmp(argv[1], "steady") == 0) {
        return steady();
    }
    if (argc != 3) {
        return 2;
    }
    long k = atol(argv[2]);
    if (strcmp(argv[1], "space") == 0) {
        return within((size_t)k);
    }
    start_failing(k, strcmp(argv[1], "all") == 0 ? LONG_MAX : k);
    bg_graph *g = bg_graph_new();
    bg_status status = program(g);
    bool is_reached = count >= k;
    start_failing(0, -1);
    CHECK(status == BG_OK || (is_reached && status == BG_ERR_MEMORY));
    if (g != NULL) {
        bg_clear_error(g);
        bg_reset(g);
        CHECK(program(g) == BG_OK);
    }
    bg_graph_free(g);
    return failures != 0 ? 1 : is_reached ? 0 : 77;
}
