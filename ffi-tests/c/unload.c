/* The library is loaded, used by several threads, shut down and unloaded, over and over.
 *
 *     unload path-of-the-shared-library */

#define _DEFAULT_SOURCE

#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { SIZE = 300000, ROUNDS = 12 };

/* The functions that are used, found in the library that was loaded. */
#define FUNCTIONS(F)                                                                              \
    F(bg_graph_new) F(bg_graph_free) F(bg_set_num_threads) F(bg_uniform) F(bg_set_requires_grad)  \
    F(bg_exp) F(bg_sum_all) F(bg_backward) F(bg_item) F(bg_shutdown) F(bg_add) F(bg_print)        \
    F(bg_last_status) F(bg_zeros)

#define DECLARE(name) static __typeof__(&name) do_##name;
FUNCTIONS(DECLARE)

static void *handle;

static void find(const char *name, void *function) {
    void *found = dlsym(handle, name);
    CHECK(found != NULL);
    memcpy(function, &found, sizeof found);
}

static double evaluate(void) {
    bg_graph *g = do_bg_graph_new();
    do_bg_set_num_threads(g, 3);
    bg_node x = do_bg_uniform(g, BG_F64, (size_t[]){SIZE}, 1, 0, 1);
    do_bg_set_requires_grad(g, x, true);
    bg_node y = do_bg_sum_all(g, do_bg_exp(g, x));
    double sum = NAN;
    CHECK(do_bg_backward(g, y) == BG_OK && do_bg_item(g, y, &sum) == BG_OK);
    do_bg_print(g, y);
    /* And an error. */
    do_bg_add(g, x, do_bg_zeros(g, BG_F64, (size_t[]){2}, 1));
    CHECK(do_bg_last_status(g) == BG_ERR_SHAPE);
    do_bg_graph_free(g);
    return sum;
}

static pthread_barrier_t used, unloaded;

/* A thread that has used the library and outlives it. */
static void *use(void *sum) {
    *(double *)sum = evaluate();
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&unloaded);
    return NULL;
}

static bool is_mapped(void) {
    bool is_found = false;
    char line[600];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        is_found |= strstr(line, "libbumpgrad") != NULL;
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return is_found;
}

int main(int argc, char **argv) {
    alarm(120); /* rather than hang */
    if (argc != 2) {
        return 2;
    }
    double first = 0;
    for (int round = 0; round < ROUNDS; round++) {
        handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (handle == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
#define FIND(name) find(#name, &do_##name);
        FUNCTIONS(FIND)
        CHECK(is_mapped());
        pthread_t thread;
        double other = NAN, sum = evaluate();
        pthread_barrier_init(&used, NULL, 2);
        pthread_barrier_init(&unloaded, NULL, 2);
        CHECK(pthread_create(&thread, NULL, use, &other) == 0);
        pthread_barrier_wait(&used);
        first = round == 0 ? sum : first;
        CHECK(sum == first && other == first);
        do_bg_shutdown();
        CHECK(dlclose(handle) == 0);
        CHECK(dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) == NULL);
        CHECK(!is_mapped());
        pthread_barrier_wait(&unloaded);
        CHECK(pthread_join(thread, NULL) == 0);
        /* No handler of the library's is left behind. */
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        int status = -1;
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return failures != 0;
}
