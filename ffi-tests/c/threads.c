/* Different graphs on different threads, and one graph by mistake on two. */

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { SIZE = 400, THREADS = 4 };

static void *train(void *result) {
    bg_graph *g = bg_graph_new();
    bg_set_seed(g, 1);
    bg_node x = bg_normal(g, BG_F32, (size_t[]){64, 32}, 2, 0, 1);
    bg_node w = bg_zeros(g, BG_F32, (size_t[]){32, 16}, 2);
    bg_set_requires_grad(g, w, true);
    bg_node loss = bg_mean_all(g, bg_square(g, bg_add_scalar(g, bg_matmul(g, x, w), -1)));
    for (int i = 0; i < 20; i++) {
        bg_zero_grads(g);
        bg_backward(g, loss);
        bg_adam_step(g, NULL);
    }
    if (bg_item(g, loss, result) != BG_OK) {
        *(double *)result = NAN;
    }
    bg_graph_free(g);
    return NULL;
}

static bg_node product;

static void *compute(void *graph) {
    while (bg_data(graph, product) == NULL) {
        /* refused: the other thread was just looking whether this one is at work */
    }
    return NULL;
}

static void wait_until_busy(bg_graph *g) {
    do {
        nanosleep(&(struct timespec){0, 20 * 1000 * 1000}, NULL);
    } while (bg_last_status(g) != BG_ERR_BUSY);
}

int main(void) {
    alarm(60); /* rather than hang */
    pthread_t threads[THREADS];
    double results[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, train, &results[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(results[i] == results[0]);
    }

    bg_graph *g = bg_graph_new();
    product = bg_normal(g, BG_F64, (size_t[]){SIZE, SIZE}, 2, 0, 1);
    for (int i = 0; i < 60; i++) {
        product = bg_softmax(g, bg_matmul(g, product, product), 0);
    }
    CHECK(pthread_create(&threads[0], NULL, compute, g) == 0);
    wait_until_busy(g);
    bool refused = bg_is_null(bg_neg(g, product)) && bg_backward(g, product) == BG_ERR_BUSY;
    CHECK(refused && strstr(bg_error_message(g), "in use by another call") != NULL);
    bg_graph_free(g); /* left alone */
    CHECK(pthread_join(threads[0], NULL) == 0);
    CHECK(bg_last_status(g) == BG_OK && bg_data(g, product) != NULL);
    bg_graph_free(g);
    return failures != 0;
}
