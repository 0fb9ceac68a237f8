/* An allocation fails, alone or with all that follow: the run must end in a status, values that are
 * there must be right, and the graph must go on. Linked with --wrap for each allocating function, so
 * that the calls come here.
 *
 *     allocation program one|all
 *
 * Tries the k-th allocation for every k, each in a process of its own: what is allocated once a
 * process can fail only in a new one. Prints how many there were. */

#define _POSIX_C_SOURCE 200112L

#include <errno.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "failing.h"

/* What a program has read, for comparing bit by bit. */
typedef struct {
    unsigned char bytes[1 << 17];
    size_t len;
} results;

static void keep(bg_graph *g, results *out, bg_node x) {
    const void *data = bg_data(g, x);
    int32_t dtype = bg_dtype(g, x);
    size_t size = dtype == BG_U8 ? 1 : dtype == BG_F32 ? 4 : 8;
    size_t bytes = data == NULL ? 0 : bg_len(g, x) * size;
    if (out->len + bytes <= sizeof out->bytes && bytes > 0) {
        memcpy(out->bytes + out->len, data, bytes);
        out->len += bytes;
    }
}

/* The value, the gradients of the leaves, and the gradients of the gradients. */
static void keep_all(bg_graph *g, results *out, bg_node y, const bg_node *leaves, size_t n) {
    bg_node sum = bg_sum_all(g, y), d[8], dd[8];
    keep(g, out, y);
    bg_zero_grads(g);
    bg_backward(g, sum);
    for (size_t i = 0; i < n; i++) {
        if (bg_has_grad(g, leaves[i])) {
            keep(g, out, bg_grad_tensor(g, leaves[i]));
        }
        d[i] = BG_NULL;
    }
    bg_zero_grads(g);
    if (bg_grad(g, sum, BG_NULL, leaves, n, d, true) != BG_OK) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (bg_is_null(d[i])) {
            continue;
        }
        keep(g, out, d[i]);
        if (bg_requires_grad(g, d[i])) {
            bg_node again = bg_sum_all(g, bg_square(g, d[i]));
            bg_grad(g, again, BG_NULL, leaves, n, dd, true);
            for (size_t k = 0; k < n; k++) {
                if (bg_last_status(g) == BG_OK && !bg_is_null(dd[k])) {
                    keep(g, out, dd[k]);
                }
            }
        }
    }
}

static bg_node matrix(bg_graph *g, size_t rows, size_t columns) {
    double data[64];
    for (size_t i = 0; i < rows * columns; i++) {
        data[i] = 0.25 + 0.125 * (double)(i * 7 % 13);
    }
    return bg_param(g, BG_F64, data, (size_t[]){rows, columns}, 2);
}

/* The example of the README. */
static void example(bg_graph *g, results *out) {
    bg_node x = bg_param_f32(g, (float[]){0, 1, 2, 3}, 4);
    bg_node y = bg_scale(g, bg_dot(g, x, x), 2.0);
    bg_backward(g, y);
    keep(g, out, bg_grad_tensor(g, x));
}

static void unary(bg_graph *g, results *out) {
    bg_node (*all[])(bg_graph *, bg_node) = {
        bg_neg, bg_abs, bg_sign, bg_exp, bg_expm1, bg_log, bg_log1p, bg_sqrt, bg_rsqrt, bg_square,
        bg_reciprocal, bg_sin, bg_cos, bg_tan, bg_tanh, bg_sigmoid, bg_erf, bg_relu, bg_softplus,
        bg_gelu, bg_gelu_tanh, bg_silu, bg_floor, bg_ceil, bg_round, bg_detach, bg_snapshot};
    bg_node x = matrix(g, 3, 5);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bg_node y = all[i](g, x);
        if (bg_requires_grad(g, y)) {
            keep_all(g, out, y, &x, 1);
        } else {
            keep(g, out, y);
        }
    }
}

static void binary(bg_graph *g, results *out) {
    bg_node (*all[])(bg_graph *, bg_node, bg_node) = {bg_add, bg_sub,     bg_mul,     bg_div,
                                                      bg_pow, bg_maximum, bg_minimum, bg_atan2};
    bg_node (*masks[])(bg_graph *, bg_node, bg_node) = {bg_eq, bg_ne, bg_lt, bg_le, bg_gt, bg_ge};
    bg_node (*scalars[])(bg_graph *, bg_node, double) = {
        bg_scale,     bg_add_scalar, bg_pow_scalar, bg_eq_scalar, bg_ne_scalar,
        bg_lt_scalar, bg_le_scalar,  bg_gt_scalar,  bg_ge_scalar};
    bg_node xs[] = {matrix(g, 3, 5), matrix(g, 1, 5)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        keep_all(g, out, all[i](g, xs[0], xs[1]), xs, 2);
    }
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        bg_node mask = masks[i](g, xs[0], xs[1]);
        keep(g, out, bg_cast(g, mask, BG_F32));
        keep_all(g, out, bg_where(g, mask, xs[0], xs[1]), xs, 2);
    }
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        keep(g, out, scalars[i](g, xs[0], 1.5));
    }
    keep_all(g, out, bg_clamp(g, xs[0], 0.5, 1), xs, 2);
}

static void reductions(bg_graph *g, results *out) {
    bg_node (*all[])(bg_graph *, bg_node, const int32_t *, size_t, bool) = {
        bg_sum, bg_mean, bg_max, bg_min, bg_amax, bg_amin, bg_prod, bg_logsumexp};
    bg_node x = matrix(g, 4, 5);
    for (int32_t axis = 0; axis < 2; axis++) {
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            keep_all(g, out, all[i](g, x, &axis, 1, false), &x, 1);
            keep_all(g, out, all[i](g, x, NULL, 0, true), &x, 1);
        }
        keep_all(g, out, bg_var(g, x, &axis, 1, 1, false), &x, 1);
        keep_all(g, out, bg_norm(g, x, 2, &axis, 1, false), &x, 1);
        keep_all(g, out, bg_norm(g, x, 3, &axis, 1, false), &x, 1);
        keep_all(g, out, bg_softmax(g, x, axis), &x, 1);
        keep_all(g, out, bg_log_softmax(g, x, axis), &x, 1);
        keep(g, out, bg_argmax(g, x, axis, false));
        keep(g, out, bg_argmin(g, x, axis, true));
    }
    keep(g, out, bg_argmax_all(g, x));
    keep(g, out, bg_argmin_all(g, x));
    keep_all(g, out, bg_mse(g, x, bg_neg(g, x)), &x, 1);
}

static void shapes(bg_graph *g, results *out) {
    bg_node x = matrix(g, 4, 6), index = bg_vector_i64(g, (int64_t[]){2, 2, 0}, 3);
    bg_node at = bg_tensor(g, BG_I64, (int64_t[]){2, 0}, (size_t[]){2, 1}, 2);
    bg_node turned = bg_transpose(g, x, 0, 1), three[] = {x, bg_exp(g, x), x};
    bg_node empty = bg_slice(g, turned, 0, 0, 0, 1);
    bg_node ys[] = {bg_reshape(g, turned, (int64_t[]){3, -1}, 2),
                    bg_permute(g, x, (int32_t[]){1, 0}, 2),
                    bg_expand(g, x, (int64_t[]){2, 4, 6}, 3),
                    bg_unsqueeze(g, x, 0),
                    bg_squeeze_all(g, bg_unsqueeze(g, x, -1)),
                    bg_slice(g, turned, 1, 0, 4, 2),
                    bg_concat(g, three, 3, 1),
                    bg_stack(g, three, 3, 0),
                    bg_index_select(g, turned, 1, index),
                    bg_gather(g, x, 1, at),
                    bg_add(g, bg_slice(g, x, 0, 0, 2, 1), bg_slice(g, x, 0, 2, 4, 1)),
                    empty,
                    bg_matmul(g, empty, x),
                    bg_matmul(g, x, turned),
                    bg_dot(g, bg_slice(g, bg_reshape(g, x, (int64_t[]){24}, 1), 0, 0, 9, 1),
                           bg_linspace(g, BG_F64, 0, 1, 9))};
    for (size_t i = 0; i < sizeof ys / sizeof *ys; i++) {
        keep_all(g, out, ys[i], &x, 1);
    }
}

enum { BATCH = 32, INPUTS = 64, HIDDEN = 64, CLASSES = 10 };

static bg_node weights(bg_graph *g, size_t rows, size_t columns) {
    bg_node w = bg_normal(g, BG_F32, (size_t[]){rows, columns}, 2, 0, 0.1);
    bg_set_requires_grad(g, w, true);
    return w;
}

/* Training a network, large enough for packed matrix products, with every optimiser. */
static void training(bg_graph *g, results *out) {
    bg_set_seed(g, 7);
    bg_node x = bg_normal(g, BG_F32, (size_t[]){BATCH, INPUTS}, 2, 0, 1);
    bg_node classes = bg_zeros(g, BG_I64, (size_t[]){BATCH}, 1);
    bg_node w1 = weights(g, INPUTS, HIDDEN), w2 = weights(g, HIDDEN, CLASSES);
    bg_node b1 = weights(g, 1, HIDDEN), b2 = weights(g, 1, CLASSES);
    bg_set_label(g, w1, "first layer");
    bg_place mark = bg_mark(g);
    bg_sgd_options momentum = BG_SGD_OPTIONS_INIT;
    momentum.momentum = 0.9;
    for (int step = 0; step < 4; step++) {
        bg_node hidden = bg_relu(g, bg_add(g, bg_matmul(g, x, w1), b1));
        bg_node logits = bg_add(g, bg_matmul(g, bg_dropout(g, hidden, 0.5), w2), b2);
        bg_node both = bg_concat(g, (bg_node[]){logits, logits}, 2, 1);
        bg_node loss = bg_add(g, bg_cross_entropy(g, logits, classes), bg_mean_all(g, both));
        bg_zero_grads(g);
        bg_backward(g, loss);
        keep(g, out, loss);
        if (step < 2) {
            bg_sgd_step(g, step == 0 ? NULL : &momentum);
        } else {
            bg_adam_step(g, NULL);
        }
        bg_rewind(g, mark);
    }
    keep(g, out, w1);
    keep(g, out, b2);
}

static int32_t parabola(void *user, const double *x, double *gradient, double *value) {
    (void)user;
    gradient[0] = 2 * (x[0] - 3);
    *value = (x[0] - 3) * (x[0] - 3);
    return 0;
}

/* Searches for minima, and states of optimisers. */
static void searches(bg_graph *g, results *out) {
    bg_node x = bg_param_f64(g, (double[]){-1.2, 1, .5}, 3);
    bg_node squares = bg_square(g, bg_sub(g, bg_exp(g, x), bg_sin(g, x)));
    bg_node loss = bg_sum_all(g, squares);
    bg_lbfgs_options few = BG_LBFGS_OPTIONS_INIT;
    few.iterations = 3;
    bg_lbfgs(g, loss, &x, 1, &few, NULL);
    keep(g, out, x);
    bg_trust_region_options fewer = BG_TRUST_REGION_OPTIONS_INIT;
    fewer.iterations = 2;
    bg_trust_region(g, loss, &x, 1, &fewer, NULL);
    keep(g, out, x);
    bg_levenberg_marquardt_options least = BG_LEVENBERG_MARQUARDT_OPTIONS_INIT;
    least.iterations = 2;
    bg_levenberg_marquardt(g, squares, &x, 1, &least, NULL);
    keep(g, out, x);
    least.matrix_free = true;
    bg_levenberg_marquardt(g, squares, &x, 1, &least, NULL);
    keep(g, out, x);
    few.lower = (double[]){-1, .25, -1};
    few.upper = (double[]){1, 1, .125};
    few.bounds = 3;
    bg_lbfgs(g, loss, &x, 1, &few, NULL);
    keep(g, out, x);
    size_t passes = bg_sparse_jacobian_passes(g, squares, x, NULL, NULL);
    keep(g, out, bg_full(g, BG_F64, NULL, 0, (double)(passes + bg_sparse_hessian_passes(g, loss, x))));
    double number = 1;
    bg_lbfgs_function(g, &number, 1, parabola, NULL, NULL, NULL);
    bg_write_grad(g, x, (double[]){number, 2, 1}, 3 * sizeof number);
    bg_clip_grad_norm_of(g, &x, 1, 1, NULL);
    bg_rmsprop_options centered = BG_RMSPROP_OPTIONS_INIT;
    centered.centered = true;
    centered.momentum = .5;
    bg_rmsprop_step_on(g, &x, 1, &centered);
    bg_set_optimiser(g, x, BG_OPTIMISER_LION, 1,
                     (const void *[]){(double[]){1, 2, 3}, NULL, NULL}, 3 * sizeof number);
    bg_lion_step_on(g, &x, 1, NULL);
    keep(g, out, x);
}

static int32_t squares(void *user, const bg_custom_call *call) {
    (void)user;
    const double *x = call->inputs[0].data;
    for (size_t k = 0; k < 2; k++) {
        double *y = call->results[k].data;
        for (size_t i = 0; i < call->inputs[0].len; i++) {
            y[i] = x[i] * x[i] + (double)k;
        }
    }
    return 0;
}

static int32_t squares_vjp(void *user, const bg_custom_call *call) {
    (void)user;
    const double *x = call->inputs[0].data;
    const double *g = call->cotangents[0].data, *h = call->cotangents[1].data;
    double *dx = call->results[0].data;
    for (size_t i = 0; i < call->inputs[0].len; i++) {
        dx[i] = 2 * x[i] * (g[i] + h[i]);
    }
    return 0;
}

static int32_t squares_recorded(void *user, const bg_record_call *call) {
    (void)user;
    bg_graph *g = call->graph;
    bg_node sum = bg_add(g, call->cotangents[0], call->cotangents[1]);
    call->results[0] = bg_mul(g, bg_scale(g, call->inputs[0], 2), sum);
    return 0;
}

static int operations; /* that are registered and not dropped yet */

static void squares_drop(void *user) { --*(int *)user; }

/* Operations of one's own: numeric, recorded, in batches. */
static void custom(bg_graph *g, results *out) {
    for (uint32_t kind = 0; kind < 4; kind++) {
        bg_custom squaring = BG_CUSTOM_INIT;
        squaring.name = "squares";
        squaring.num_results = 2;
        squaring.forward = squares;
        squaring.vjp = kind % 2 == 0 ? squares_vjp : NULL;
        squaring.recorded_vjp = kind > 0 ? squares_recorded : NULL;
        squaring.flags = kind > 1 ? BG_CUSTOM_TAKES_BATCHES : 0;
        squaring.user = &operations;
        squaring.drop = squares_drop;
        operations++;
        bg_op op;
        bg_register(g, &squaring, &op);
        bg_node x = matrix(g, 1, 6), ys[2] = {BG_NULL, BG_NULL}, all = BG_NULL, many = matrix(g, 4, 6);
        bg_node row = bg_reshape(g, x, (int64_t[]){6}, 1);
        bg_apply_all(g, op, &row, 1, ys, 2);
        bg_node y = bg_mul(g, ys[0], ys[1]);
        bg_backward(g, bg_sum_all(g, y));
        keep(g, out, bg_grad_tensor(g, x));
        bg_vmap(g, &y, 1, &row, &many, 1, &all);
        bg_node slope = BG_NULL;
        bg_grad(g, bg_sum_all(g, all), BG_NULL, &many, 1, &slope, false);
        keep(g, out, slope);
        if (kind > 0) {
            keep(g, out, bg_hessian(g, bg_sum_all(g, y), x));
        }
    }
}

/* Texts, profiles, marks, labels, a limit of memory, many plans. */
static void engine(bg_graph *g, results *out) {
    static char text[1 << 16], path[1024];
    bg_node x = matrix(g, 4, 6);
    bg_set_label(g, x, "x");
    bg_profile_begin(g);
    bg_place mark = bg_mark(g);
    for (int i = 0; i < 26; i += 5) {
        bg_node y = x;
        for (int k = 0; k < i; k++) {
            y = bg_sin(g, bg_add(g, y, x));
        }
        bg_set_label(g, y, "a longer label than fits in anything that is short");
        keep_all(g, out, y, &x, 1);
        if (i % 10 == 0) {
            bg_format(g, y, text, sizeof text);
            for (int32_t format = BG_TEXT; format <= BG_DOT; format++) {
                bg_format_graph(g, text, sizeof text, format);
                bg_format_plan(g, text, sizeof text, format);
            }
        }
        bg_rewind(g, mark);
    }
    strcpy(path, "/dev");
    for (int i = 0; i < 300; i++) {
        strcat(path, "/.");
    }
    bg_profile_end(g, strcat(path, "/null"));
    bg_profile_begin(g);
    bg_profile_end(g, "/dev/null/\xff");
    if (bg_last_status(g) == BG_ERR_ARGUMENT) {
        bg_clear_error(g); /* the only wrong thing here */
    }
    bg_set_memory_limit(g, 64 << 20);
    bg_no_grad_begin(g);
    keep(g, out, bg_exp(g, bg_full(g, BG_F64, (size_t[]){5000}, 1, 0.5)));
    bg_no_grad_end(g);
    bg_set_memory_limit(g, 0);
}

/* Large enough for two threads, with a product and an index. */
static void threads(bg_graph *g, results *out) {
    bg_set_num_threads(g, 2);
    bg_set_seed(g, 7);
    bg_node x = bg_uniform(g, BG_F32, (size_t[]){300, 2000}, 2, 0, 1);
    bg_set_requires_grad(g, x, true);
    bg_node y = bg_tanh(g, bg_exp(g, bg_sin(g, x)));
    bg_node z = bg_matmul(g, y, bg_transpose(g, y, 0, 1));
    bg_backward(g, bg_add(g, bg_sum_all(g, z), bg_sum_all(g, y)));
    keep(g, out, bg_sum(g, z, (int32_t[]){0}, 1, false));
    keep(g, out, bg_sum(g, bg_grad_tensor(g, x), (int32_t[]){0}, 1, false));
}

static const struct {
    const char *name;
    void (*run)(bg_graph *, results *);
} programs[] = {{"example", example}, {"unary", unary},   {"binary", binary},
                {"reductions", reductions}, {"shapes", shapes}, {"training", training},
                {"searches", searches}, {"custom", custom},   {"engine", engine},
                {"threads", threads}};

static bool same(const results *a, const results *b) {
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* One k: 0 if all is well, 77 if there are fewer allocations. */
static int trial(void (*run)(bg_graph *, results *), long k, long last_k) {
    static results failed, again, wanted;
    start_failing(k, last_k);
    bg_graph *g = bg_graph_new();
    run(g, &failed);
    bg_status status = bg_last_status(g);
    bool is_reached = count >= k;
    start_failing(0, -1);

    bg_graph *other = bg_graph_new();
    run(other, &wanted);
    CHECK(bg_last_status(other) == BG_OK);
    bg_graph_free(other);
    /* Some failures can be got over; then the results are there. */
    CHECK(status == BG_OK ? same(&failed, &wanted) : is_reached && status == BG_ERR_MEMORY);
    CHECK(status == BG_OK || *bg_error_message(g) != '\0');
    if (g != NULL) {
        bg_clear_error(g);
        run(g, &again);
        CHECK(bg_last_status(g) == BG_OK && same(&again, &wanted));
        bg_reset(g);
        again.len = 0;
        run(g, &again);
        CHECK(bg_last_status(g) == BG_OK && same(&again, &wanted));
    }
    bg_graph_free(g);
    CHECK(operations == 0); /* each was dropped once */
    return failures != 0 ? 1 : is_reached ? 0 : 77;
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 3 && i < sizeof programs / sizeof *programs; i++) {
        if (strcmp(programs[i].name, argv[1]) != 0) {
            continue;
        }
        for (long k = 1;; k++) {
            pid_t child = fork();
            if (child == 0) {
                _exit(trial(programs[i].run, k, strcmp(argv[2], "all") == 0 ? LONG_MAX : k));
            }
            int status = 0;
            waitpid(child, &status, 0);
            if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
                printf("%ld\n", k - 1);
                return 0;
            }
            if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                fprintf(stderr, "%s, %s from allocation %ld on: %s %d\n", argv[1], argv[2], k,
                        WIFEXITED(status) ? "status" : "signal",
                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
                return 1;
            }
        }
    }
    return 2;
}
