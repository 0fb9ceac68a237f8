/* How things are computed: threads, fork, fusion, plans, profiles, memory. Only what is said about
 * them depends on any of that; no result does. */

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* About a million elements, so that all of it is worth sharing; no round numbers. */
enum { ROWS = 1021, COLUMNS = 1009, SIZE = ROWS * COLUMNS, USERS = 6, REPLAYS = 100 };

enum { CHAIN, SOFTMAX, COLUMN_SUMS, LOSS, GRADIENT, PARTS };

/* Results and a gradient, as they lie in memory. */
typedef struct results {
    void *data[PARTS];
    size_t bytes[PARTS];
} results;

static void forget(results *r) {
    for (int i = 0; i < PARTS; i++) {
        free(r->data[i]);
    }
}

static bool same(const results *a, const results *b) {
    bool is_same = true;
    for (int i = 0; i < PARTS; i++) {
        is_same &= a->bytes[i] == b->bytes[i] && memcmp(a->data[i], b->data[i], a->bytes[i]) == 0;
    }
    return is_same;
}

/* Elementwise chains, sums of rows, of columns and of all, softmax, and the gradient of them. */
static bg_status compute(bg_graph *g, results *out) {
    bg_set_seed(g, 3);
    bg_node x = bg_normal(g, BG_F32, (size_t[]){ROWS, COLUMNS}, 2, 0, 1);
    bg_node bias = bg_normal(g, BG_F32, (size_t[]){COLUMNS}, 1, 0, 1);
    bg_set_requires_grad(g, x, true);
    bg_node nodes[PARTS];
    bg_node wave = bg_mul(g, bg_sin(g, bg_add(g, x, bias)), x);
    nodes[CHAIN] = bg_square(g, bg_add(g, wave, bg_exp(g, bg_scale(g, x, .1))));
    nodes[SOFTMAX] = bg_softmax(g, nodes[CHAIN], 1);
    nodes[COLUMN_SUMS] = bg_sum(g, nodes[SOFTMAX], (int32_t[]){0}, 1, false);
    bg_node tall = bg_sum_all(g, bg_square(g, nodes[COLUMN_SUMS]));
    bg_node wide = bg_sum_all(g, bg_mul(g, x, nodes[SOFTMAX]));
    nodes[LOSS] = bg_add(g, bg_mean_all(g, nodes[CHAIN]), bg_add(g, tall, wide));
    bg_backward(g, nodes[LOSS]);
    nodes[GRADIENT] = bg_grad_tensor(g, x);
    for (int i = 0; i < PARTS; i++) {
        out->bytes[i] = bg_len(g, nodes[i]) * sizeof(float);
        out->data[i] = calloc(out->bytes[i] + 1, 1);
        bg_read(g, nodes[i], out->data[i], out->bytes[i]);
    }
    return bg_last_status(g);
}

/* What everything is compared with: one thread. */
static results wanted;

/* Computes with this many threads, and compares. */
static bool gives_the_same(size_t threads, bool fusion) {
    results found = {{NULL}, {0}};
    bg_graph *g = bg_graph_new();
    bg_set_num_threads(g, threads);
    bg_set_fusion(g, fusion);
    bool is_same = compute(g, &found) == BG_OK && same(&wanted, &found);
    if (!is_same) {
        fprintf(stderr, "%zu threads, fusion %d: %s\n", threads, fusion, bg_error_message(g));
    }
    bg_graph_free(g);
    forget(&found);
    return is_same;
}

static void any_number_of_threads(void) {
    CHECK(wanted.bytes[CHAIN] == SIZE * sizeof(float) && wanted.bytes[LOSS] == sizeof(float));
    CHECK(wanted.bytes[GRADIENT] == SIZE * sizeof(float));
    CHECK(gives_the_same(1, true) && gives_the_same(2, true));
    CHECK(gives_the_same(3, true) && gives_the_same(8, true) && gives_the_same(0, true));
    CHECK(gives_the_same(1, false) && gives_the_same(3, false));

    bg_graph *g = bg_graph_new();
    size_t cores = bg_num_threads(g);
    CHECK(cores >= 1);
    bg_set_num_threads(g, 3);
    CHECK(bg_num_threads(g) == 3);
    bg_set_num_threads(g, SIZE_MAX);
    CHECK(bg_num_threads(g) >= 3 && bg_num_threads(g) <= 256);
    bg_set_num_threads(g, 0);
    CHECK(bg_num_threads(g) == cores);
    bg_graph_free(g);
    CHECK(bg_num_threads(NULL) == 0);
    bg_set_num_threads(NULL, 2);
    bg_set_fusion(NULL, false);
}

/* ---- users of one pool ---- */

static void *use(void *is_same) {
    *(bool *)is_same = gives_the_same(2, true) && gives_the_same(3, true);
    return NULL;
}

static void many_users(void) {
    pthread_t users[USERS];
    bool is_same[USERS];
    for (int i = 0; i < USERS; i++) {
        CHECK(pthread_create(&users[i], NULL, use, &is_same[i]) == 0);
    }
    bg_shutdown(); /* waits for those who are at it; others start it again */
    for (int i = 0; i < USERS; i++) {
        CHECK(pthread_join(users[i], NULL) == 0);
        CHECK(is_same[i]);
    }
}

static void shutdown_and_again(void) {
    bg_shutdown();
    bg_shutdown();
    CHECK(gives_the_same(3, true));
    bg_shutdown();
    CHECK(gives_the_same(2, true));
}

/* ---- fork ---- */

/* Whether a child does it, and its child, too. */
static bool children_do(int generations, size_t threads) {
    pid_t child = fork();
    if (child == 0) {
        alarm(60); /* is not inherited */
        bool is_same = gives_the_same(threads, true);
        if (generations > 1) {
            is_same &= children_do(generations - 1, threads);
        }
        bg_shutdown();
        is_same &= gives_the_same(threads, true);
        _exit(is_same ? 0 : 1);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* A graph that the parent has computed with is the child's, too. */
static void a_graph_of_the_parent(void) {
    bg_graph *g = bg_graph_new();
    bg_set_num_threads(g, 2);
    bg_node x = bg_full(g, BG_F64, (size_t[]){SIZE}, 1, 2);
    bg_node y = bg_sum_all(g, bg_square(g, bg_sqrt(g, bg_square(g, x))));
    IS(g, y, 4.0 * SIZE);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        bg_write(g, x, bg_data(g, bg_full(g, BG_F64, (size_t[]){SIZE}, 1, 3)), SIZE * sizeof(double));
        IS(g, y, 9.0 * SIZE);
        bg_graph_free(g);
        _exit(failures != 0);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    IS(g, y, 4.0 * SIZE);
    bg_graph_free(g);
}

/* ---- text ---- */

static void plans(void) {
    char text[4000], again[4000];
    bg_graph *g = bg_graph_new();
    CHECK(bg_format_plan(g, text, sizeof text, BG_TEXT) == 0 && strcmp(text, "") == 0);
    /* What is small and new is computed without a plan. */
    bg_node few = bg_param_f64(g, (double[]){1, 2, 3}, 3);
    CHECK(bg_data(g, bg_exp(g, bg_neg(g, few))) != NULL);
    CHECK(bg_format_plan(g, text, sizeof text, BG_TEXT) > 0);
    CHECK(strncmp(text, "2 nodes, one by one", 19) == 0);
    CHECK(bg_format_plan(g, text, sizeof text, BG_DOT) > 0 && strncmp(text, "digraph", 7) == 0);
    bg_reset(g);
    static double data[3000];
    bg_node x = bg_param_f64(g, data, 3000);
    bg_node y = bg_exp(g, bg_neg(g, x));
    CHECK(bg_data(g, y) != NULL);
    size_t length = bg_format_plan(g, text, sizeof text, BG_TEXT);
    CHECK(length > 0 && length < sizeof text && strlen(text) == length);
    /* One step of 3,000 elements, from x to y, which does both. */
    CHECK(strncmp(text, "1 step, ", 8) == 0);
    CHECK(strstr(text, "\n0: 3000 elements, reads n0, writes n2\n") != NULL);
    CHECK(strstr(text, "= neg n0\n") != NULL && strstr(text, " n2 = exp ") != NULL);
    CHECK(bg_format_plan(g, again, 5, BG_TEXT) == length && strncmp(text, again, 4) == 0);
    CHECK(strlen(again) == 4 && bg_format_plan(g, NULL, 0, BG_TEXT) == length);

    length = bg_format_plan(g, text, sizeof text, BG_DOT);
    CHECK(length < sizeof text && strncmp(text, "digraph", 7) == 0 && strstr(text, "exp") != NULL);
    CHECK(strcmp(text + length - 2, "}\n") == 0);
    CHECK(bg_print_plan(g, BG_TEXT) == BG_OK && bg_print_plan(g, BG_DOT) == BG_OK);

    /* A gradient is dn0; without fusion there is a step for each operation. */
    CHECK(bg_backward(g, bg_sum_all(g, y)) == BG_OK);
    bg_format_plan(g, text, sizeof text, BG_TEXT);
    CHECK(strstr(text, "dn0") != NULL);
    bg_set_fusion(g, false);
    CHECK(bg_data(g, bg_exp(g, bg_neg(g, x))) != NULL);
    bg_format_plan(g, text, sizeof text, BG_TEXT);
    CHECK(strstr(text, "\n1: 3000 elements") != NULL);

    CHECK(bg_print_plan(g, 2) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "print_plan: 2 is no format: use BG_TEXT or BG_DOT");
    CHECK(bg_format_plan(g, text, sizeof text, -1) == 0 && strcmp(text, "") == 0);
    FAILS(g, BG_ERR_ARGUMENT, "format_plan: -1 is no format");
    bg_graph_free(g);
    CHECK(bg_print_plan(NULL, BG_TEXT) == BG_ERR_MEMORY);
    CHECK(bg_format_plan(NULL, NULL, 0, BG_TEXT) == 0);
}

/* ---- profiles ---- */

/* The harness reads the file with a parser of JSON; here, that there is what should be. */
static void profile(const char *path) {
    results found = {{NULL}, {0}};
    char begin[16] = "", *text = NULL;
    bg_graph *g = bg_graph_new();
    CHECK(bg_profile_end(g, path) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "profile_end: no profile is being taken: call profile_begin first");
    bg_set_num_threads(g, 2);
    bg_profile_begin(g);
    bg_profile_begin(g); /* begins again */
    CHECK(compute(g, &found) == BG_OK && same(&wanted, &found));
    CHECK(bg_profile_end(g, path) == BG_OK);
    forget(&found);

    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    if (file != NULL) {
        size_t length = 0;
        while (fread(begin, 1, 1, file) == 1) {
            text = realloc(text, length + 2);
            text[length++] = begin[0];
            text[length] = '\0';
        }
        fclose(file);
        CHECK(text != NULL && text[0] == '{' && strcmp(text + length - 2, "}\n") == 0);
        for (int i = 0; text != NULL && i < 7; i++) {
            CHECK(strstr(text, ((const char *[]){"\"traceEvents\":[", "\"cat\":\"step\"", "\"bytes\":",
                                                 "\"threads\":2", "\"cat\":\"planning\"",
                                                 "\"cat\":\"run\"", "\"ph\":\"X\""})[i]) != NULL);
        }
        free(text);
    }

    CHECK(bg_profile_end(g, path) == BG_ERR_ARGUMENT); /* it has ended */
    bg_clear_error(g);
    bg_profile_begin(g);
    CHECK(bg_profile_end(g, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "profile_end: a pointer is NULL");
    for (int i = 0; i < 2; i++) {
        const char *wrong = ((const char *[]){"no/such/directory/trace.json", "/"})[i];
        bg_profile_begin(g);
        CHECK(bg_profile_end(g, wrong) == BG_ERR_ARGUMENT);
        FAILS(g, BG_ERR_ARGUMENT, wrong);
    }
    bg_profile_begin(g); /* released with the graph */
    bg_graph_free(g);
    bg_profile_begin(NULL);
    CHECK(bg_profile_end(NULL, path) == BG_ERR_MEMORY);
}

/* ---- memory ---- */

static void replays_take_no_memory(void) {
    bg_memory before = BG_MEMORY_INIT, after = BG_MEMORY_INIT;
    bg_graph *g = bg_graph_new();
    bg_set_num_threads(g, 2);
    bg_node x = bg_full(g, BG_F32, (size_t[]){ROWS, 101}, 2, .5);
    bg_set_requires_grad(g, x, true);
    bg_node y = bg_softmax(g, bg_exp(g, bg_sin(g, x)), 1);
    bg_node loss = bg_mean_all(g, bg_square(g, y));
    for (int i = 0; i < REPLAYS + 3; i++) {
        if (i == 3) {
            CHECK(bg_memory_stats(g, &before) == BG_OK && before.pooled >= before.live);
        }
        double value;
        bg_zero_grads(g);
        bg_backward(g, loss);
        CHECK(bg_item(g, loss, &value) == BG_OK && bg_sgd_step(g, NULL) == BG_OK);
    }
    CHECK(bg_memory_stats(g, &after) == BG_OK && after.pooled == before.pooled);
    CHECK(after.live == before.live && after.peak == before.peak);
    CHECK(after.records == before.records);
    bg_graph_free(g);
}

static void too_little_memory(void) {
    bg_memory memory = BG_MEMORY_INIT;
    bg_graph *g = bg_graph_new();
    bg_set_num_threads(g, 2);
    bg_node w = bg_param_f64(g, (double[]){1, 2}, 2);
    CHECK(bg_backward(g, bg_sum_all(g, bg_square(g, w))) == BG_OK);
    bg_node x = bg_full(g, BG_F64, (size_t[]){SIZE}, 1, 1);
    bg_node big = bg_sqrt(g, bg_add(g, x, bg_sum_all(g, w)));
    bg_node sum = bg_sum_all(g, bg_mul(g, big, bg_sum_all(g, bg_square(g, w))));
    CHECK(bg_memory_stats(g, &memory) == BG_OK);
    bg_set_memory_limit(g, memory.pooled + memory.records + memory.plans + 65536);
    CHECK(bg_data(g, big) == NULL);
    FAILS(g, BG_ERR_MEMORY, "the graph's memory limit of");
    CHECK(bg_backward(g, bg_sum_all(g, bg_mul(g, bg_square(g, big), w))) != BG_OK);
    bg_clear_error(g); /* its shapes do not fit */
    IS(g, w, 1, 2);
    GRAD_IS(g, w, 2, 4);
    bg_set_memory_limit(g, 0);
    IS(g, w, 1, 2);
    GRAD_IS(g, w, 2, 4);
    CHECK(bg_data(g, big) != NULL && ((const double *)bg_data(g, big))[SIZE - 1] == 2);
    CHECK(bg_backward(g, sum) == BG_OK);
    /* 2 + d(5 * SIZE * 2) / dw: from the square 2 w * 2 SIZE, and from the root 5 SIZE / 4. */
    GRAD_IS(g, w, 2 + SIZE * (4 + 1.25), 4 + SIZE * (8 + 1.25));
    bg_graph_free(g);
}

/* ---- a budget, and checkpoints ---- */

enum { LAYERS = 100, WIDTH = 8, BATCH = 128 };

/* A net whose layers share their weights, with a checkpoint every so many layers, if any. */
static bg_node layers(bg_graph *g, int every, bg_node *w) {
    float weights[WIDTH * WIDTH];
    for (int i = 0; i < WIDTH * WIDTH; i++) {
        weights[i] = .01f * (float)(i * 7 % 31);
    }
    *w = bg_param_f32(g, weights, WIDTH * WIDTH);
    bg_node square = bg_reshape(g, *w, (ptrdiff_t[]){WIDTH, WIDTH}, 2);
    bg_node h = bg_full(g, BG_F32, (size_t[]){BATCH, WIDTH}, 2, .5);
    bg_place begin = bg_mark(g);
    for (int layer = 1; layer <= LAYERS; layer++) {
        h = bg_tanh(g, bg_matmul(g, h, square));
        if (every > 0 && layer % every == 0) {
            CHECK(bg_checkpoint(g, begin, &h, 1) == BG_OK);
            begin = bg_mark(g);
        }
    }
    return bg_mean_all(g, bg_square(g, h));
}

/* The gradient, what it took, and what it was said to take. */
static bg_status gradient(int every, size_t budget, float *out, bg_planned_memory *planned) {
    bg_node w;
    bg_memory memory = BG_MEMORY_INIT;
    bg_graph *g = bg_graph_new();
    bg_set_num_threads(g, 2);
    bg_node loss = layers(g, every, &w);
    bg_set_memory_budget(g, budget);
    CHECK(bg_memory_budget(g) == budget);
    bg_status status = bg_plan_memory_backward(g, &loss, NULL, 1, planned);
    if (status == BG_OK) {
        CHECK(bg_backward(g, loss) == BG_OK);
        CHECK(bg_memory_stats(g, &memory) == BG_OK && memory.peak == planned->peak);
        CHECK(planned->peak == planned->live + planned->kept + planned->scratch);
        CHECK(bg_read_grad(g, w, out, WIDTH * WIDTH * sizeof *out) == BG_OK);
    } else {
        FAILS(g, BG_ERR_MEMORY, "backward: the memory budget of");
        CHECK(!bg_has_grad(g, w) && bg_backward(g, loss) == BG_ERR_MEMORY);
        FAILS(g, BG_ERR_MEMORY, "is too small: ");
        bg_set_memory_budget(g, 0);
        CHECK(bg_backward(g, loss) == BG_OK);
    }
    bg_graph_free(g);
    return status;
}

static void little_memory(void) {
    float want[WIDTH * WIDTH], seen[WIDTH * WIDTH];
    bg_planned_memory plain = BG_PLANNED_MEMORY_INIT, saved = BG_PLANNED_MEMORY_INIT;
    CHECK(gradient(0, 0, want, &plain) == BG_OK && plain.repeated == 0 && plain.steps > LAYERS);
    for (size_t part = 2; part <= 5; part++) {
        CHECK(gradient(0, plain.peak / part, seen, &saved) == BG_OK);
        CHECK(saved.peak <= plain.peak / part && saved.repeated > 0);
        CHECK(memcmp(seen, want, sizeof want) == 0);
    }
    CHECK(gradient(0, 1000, seen, &saved) == BG_ERR_MEMORY);
    CHECK(gradient(10, 0, seen, &saved) == BG_OK && saved.repeated > 0);
    CHECK(3 * saved.peak < plain.peak && memcmp(seen, want, sizeof want) == 0);
    CHECK(gradient(10, plain.peak / 5, seen, &saved) == BG_OK);
    CHECK(memcmp(seen, want, sizeof want) == 0);

    /* Reading, too; and what was read takes nothing. */
    bg_node w;
    bg_graph *g = bg_graph_new();
    bg_node loss = layers(g, 0, &w);
    double value;
    CHECK(bg_plan_memory(g, loss, &plain) == BG_OK && plain.peak > plain.live);
    CHECK(bg_item(g, loss, &value) == BG_OK && bg_plan_memory(g, loss, &saved) == BG_OK);
    CHECK(saved.peak == saved.live && saved.steps == 0);
    bg_node heads[] = {bg_full(g, BG_F32, NULL, 0, 2), BG_NULL};
    CHECK(bg_plan_memory_backward(g, (bg_node[]){loss, loss}, heads, 2, &saved) == BG_OK);
    CHECK(saved.kept > 0 && bg_backward_many(g, (bg_node[]){loss, loss}, heads, 2) == BG_OK);
    bg_graph_free(g);
}

int main(int argc, char **argv) {
    alarm(300); /* rather than hang */
    bg_graph *g = bg_graph_new();
    bg_set_num_threads(g, 1);
    CHECK(compute(g, &wanted) == BG_OK);
    bg_graph_free(g);

    CHECK(children_do(2, 2)); /* before there is a pool */
    any_number_of_threads();
    CHECK(children_do(2, 2)); /* while the threads sleep */
    a_graph_of_the_parent();
    many_users();
    CHECK(children_do(1, 3));
    shutdown_and_again();
    plans();
    profile(argc > 1 ? argv[1] : "engine-trace.json");
    replays_take_no_memory();
    too_little_memory();
    little_memory();
    bg_shutdown();
    CHECK(children_do(1, 3)); /* when the threads have ended */
    forget(&wanted);
    return failures != 0;
}
