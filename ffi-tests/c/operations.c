/* Every operation once, with a value that is known. */

#include "check.h"

static const double TINY = 1e-15;

static bg_node vec(bg_graph *g, double a, double b, double c) {
    return bg_vector_f64(g, (double[]){a, b, c}, 3);
}

static bg_node matrix(bg_graph *g) { /* [[1, 2, 3], [4, 5, 6]] */
    return bg_param(g, BG_F64, (double[]){1, 2, 3, 4, 5, 6}, (size_t[]){2, 3}, 2);
}

static double gelu_by_tanh(double x) {
    return x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x))) / 2;
}

static void unary(bg_graph *g) {
    bg_node x = vec(g, -1.5, 0, 2.5), p = vec(g, .25, 1, 4);
    IS(g, bg_neg(g, x), 1.5, -0.0, -2.5);
    IS(g, bg_abs(g, x), 1.5, 0, 2.5);
    IS(g, bg_sign(g, x), -1, 0, 1);
    IS(g, bg_floor(g, x), -2, 0, 2);
    IS(g, bg_ceil(g, x), -1, 0, 3);
    IS(g, bg_round(g, x), -2, 0, 2);
    IS(g, bg_relu(g, x), 0, 0, 2.5);
    IS(g, bg_square(g, x), 2.25, 0, 6.25);
    IS(g, bg_sqrt(g, p), .5, 1, 2);
    IS(g, bg_rsqrt(g, p), 2, 1, .5);
    IS(g, bg_reciprocal(g, p), 4, 1, .25);
    NEAR(g, bg_exp(g, x), TINY, exp(-1.5), 1, exp(2.5));
    NEAR(g, bg_expm1(g, x), TINY, expm1(-1.5), 0, expm1(2.5));
    NEAR(g, bg_log(g, p), TINY, log(.25), 0, log(4));
    NEAR(g, bg_log1p(g, p), TINY, log1p(.25), log(2), log(5));
    NEAR(g, bg_sin(g, x), TINY, sin(-1.5), 0, sin(2.5));
    NEAR(g, bg_cos(g, x), TINY, cos(-1.5), 1, cos(2.5));
    NEAR(g, bg_tan(g, x), TINY, tan(-1.5), 0, tan(2.5));
    NEAR(g, bg_tanh(g, x), TINY, tanh(-1.5), 0, tanh(2.5));
    NEAR(g, bg_erf(g, x), TINY, erf(-1.5), 0, erf(2.5));
    NEAR(g, bg_sigmoid(g, x), TINY, 1 / (1 + exp(1.5)), .5, 1 / (1 + exp(-2.5)));
    NEAR(g, bg_softplus(g, x), TINY, log1p(exp(-1.5)), log(2), log1p(exp(2.5)));
    NEAR(g, bg_silu(g, x), TINY, -1.5 / (1 + exp(1.5)), 0, 2.5 / (1 + exp(-2.5)));
    NEAR(g, bg_gelu(g, x), 4 * TINY, -.75 * erfc(1.5 / sqrt(2)), 0, 1.25 * erfc(-2.5 / sqrt(2)));
    NEAR(g, bg_gelu_tanh(g, x), 4 * TINY, gelu_by_tanh(-1.5), 0, gelu_by_tanh(2.5));
}

static void binary(bg_graph *g) {
    bg_node a = vec(g, 1, 2, -3), b = vec(g, 4, 2, 2);
    IS(g, bg_add(g, a, b), 5, 4, -1);
    IS(g, bg_sub(g, a, b), -3, 0, -5);
    IS(g, bg_mul(g, a, b), 4, 4, -6);
    IS(g, bg_div(g, a, b), .25, 1, -1.5);
    IS(g, bg_pow(g, a, b), 1, 4, 9);
    IS(g, bg_maximum(g, a, b), 4, 2, 2);
    IS(g, bg_minimum(g, a, b), 1, 2, -3);
    NEAR(g, bg_atan2(g, a, b), TINY, atan2(1, 4), atan2(2, 2), atan2(-3, 2));
    IS(g, bg_scale(g, a, 2), 2, 4, -6);
    IS(g, bg_add_scalar(g, a, .5), 1.5, 2.5, -2.5);
    IS(g, bg_pow_scalar(g, a, 3), 1, 8, -27);
    IS(g, bg_clamp(g, a, -1, 1.5), 1, 1.5, -1);
    IS(g, bg_clamp(g, a, -INFINITY, 1.5), 1, 1.5, -3);
    IS(g, bg_clamp(g, a, -1, INFINITY), 1, 2, -1);
    IS(g, bg_eq(g, a, b), 0, 1, 0);
    IS(g, bg_ne(g, a, b), 1, 0, 1);
    IS(g, bg_lt(g, a, b), 1, 0, 1);
    IS(g, bg_le(g, a, b), 1, 1, 1);
    IS(g, bg_gt(g, a, b), 0, 0, 0);
    IS(g, bg_ge(g, a, b), 0, 1, 0);
    IS(g, bg_eq_scalar(g, a, 2), 0, 1, 0);
    IS(g, bg_ne_scalar(g, a, 2), 1, 0, 1);
    IS(g, bg_lt_scalar(g, a, 2), 1, 0, 1);
    IS(g, bg_le_scalar(g, a, 2), 1, 1, 1);
    IS(g, bg_gt_scalar(g, a, 1), 0, 1, 0);
    IS(g, bg_ge_scalar(g, a, 1), 1, 1, 0);
    IS(g, bg_where(g, bg_lt(g, a, b), a, b), 1, 2, -3);
    bg_node whole = bg_cast(g, vec(g, 1.9, -1.9, 0), BG_I64);
    CHECK(bg_dtype(g, whole) == BG_I64);
    IS(g, whole, 1, -1, 0);
}

static void reductions(bg_graph *g) {
    bg_node x = matrix(g);
    IS(g, bg_sum(g, x, (int32_t[]){0}, 1, false), 5, 7, 9);
    IS(g, bg_sum_all(g, x), 21);
    IS(g, bg_mean(g, x, (int32_t[]){-1}, 1, false), 2, 5);
    IS(g, bg_mean_all(g, x), 3.5);
    IS(g, bg_max(g, x, (int32_t[]){1}, 1, false), 3, 6);
    IS(g, bg_min(g, x, (int32_t[]){1}, 1, false), 1, 4);
    IS(g, bg_amax(g, x, (int32_t[]){0, 1}, 2, false), 6);
    IS(g, bg_amin(g, x, NULL, 0, false), 1);
    IS(g, bg_prod(g, x, (int32_t[]){1}, 1, false), 6, 120);
    NEAR(g, bg_var(g, x, (int32_t[]){1}, 1, 1.0, false), TINY, 1, 1);
    NEAR(g, bg_norm(g, x, 2, (int32_t[]){1}, 1, false), TINY, sqrt(14), sqrt(77));
    IS(g, bg_norm(g, x, INFINITY, NULL, 0, false), 6);
    NEAR(g, bg_logsumexp(g, x, (int32_t[]){0}, 1, false), TINY, 1 + log(1 + exp(3)),
         2 + log(1 + exp(3)), 3 + log(1 + exp(3)));
    IS(g, bg_argmax(g, x, 1, false), 2, 2);
    IS(g, bg_argmin(g, x, 0, true), 0, 0, 0);
    IS(g, bg_argmax_all(g, x), 5);
    IS(g, bg_argmin_all(g, x), 0);
    SHAPE_IS(g, bg_sum(g, x, (int32_t[]){0}, 1, true), 1, 3);
    SHAPE_IS(g, bg_argmin(g, x, 0, true), 1, 3);
}

static void shapes(bg_graph *g) {
    bg_node x = matrix(g);
    SHAPE_IS(g, bg_reshape(g, x, (int64_t[]){3, -1}, 2), 3, 2);
    IS(g, bg_transpose(g, x, 0, 1), 1, 4, 2, 5, 3, 6);
    IS(g, bg_permute(g, x, (int32_t[]){1, 0}, 2), 1, 4, 2, 5, 3, 6);
    bg_node row = vec(g, 1, 2, 3);
    IS(g, bg_expand(g, row, (int64_t[]){2, -1}, 2), 1, 2, 3, 1, 2, 3);
    bg_node wide = bg_unsqueeze(g, row, 0);
    SHAPE_IS(g, wide, 1, 3);
    SHAPE_IS(g, bg_squeeze(g, wide, 0), 3);
    SHAPE_IS(g, bg_squeeze(g, wide, 1), 1, 3);
    SHAPE_IS(g, bg_squeeze_all(g, bg_unsqueeze(g, wide, -1)), 3);
    IS(g, bg_slice(g, x, 1, 0, 3, 2), 1, 3, 4, 6);
    IS(g, bg_slice(g, x, -1, -1, INT64_MAX, 1), 3, 6);
    bg_node both[] = {row, bg_neg(g, row)};
    IS(g, bg_concat(g, both, 2, 0), 1, 2, 3, -1, -2, -3);
    bg_node stacked = bg_stack(g, both, 2, 1);
    SHAPE_IS(g, stacked, 3, 2);
    IS(g, stacked, 1, -1, 2, -2, 3, -3);
    bg_node index = bg_vector_i64(g, (int64_t[]){2, 2, 0}, 3);
    IS(g, bg_index_select(g, x, 1, index), 3, 3, 1, 6, 6, 4);
    bg_node at = bg_tensor(g, BG_I64, (int64_t[]){2, 0}, (size_t[]){2, 1}, 2);
    IS(g, bg_gather(g, x, 1, at), 3, 4);
}

static void products_and_losses(bg_graph *g) {
    bg_node x = matrix(g), v = vec(g, 1, 0, -1);
    IS(g, bg_dot(g, v, vec(g, 4, 5, 6)), -2);
    IS(g, bg_matmul(g, x, v), -2, -2);
    IS(g, bg_matmul(g, x, bg_transpose(g, x, 0, 1)), 14, 32, 32, 77);
    IS(g, bg_softmax(g, vec(g, 1000, 0, -1000), 0), 1, 0, 0);
    IS(g, bg_log_softmax(g, vec(g, 1000, 1000, 0), 0), -log(2), -log(2), -1000 - log(2));
    bg_node logits = bg_param(g, BG_F64, (double[]){0, 0, 0}, (size_t[]){1, 3}, 2);
    bg_node loss = bg_cross_entropy(g, logits, bg_vector_i64(g, (int64_t[]){1}, 1));
    NEAR(g, loss, TINY, log(3));
    CHECK(bg_backward(g, loss) == BG_OK);
    NEAR(g, bg_grad_tensor(g, logits), TINY, 1. / 3, -2. / 3, 1. / 3);
    IS(g, bg_mse(g, vec(g, 1, 2, 3), vec(g, 1, 2, 6)), 3);
    IS(g, bg_dropout(g, v, 0), 1, 0, -1);
}

static void leaves(bg_graph *g) {
    size_t dims[] = {2, 2};
    IS(g, bg_zeros(g, BG_U8, dims, 2), 0, 0, 0, 0);
    IS(g, bg_ones(g, BG_I64, dims, 2), 1, 1, 1, 1);
    IS(g, bg_full(g, BG_F32, dims, 2, 2.5), 2.5, 2.5, 2.5, 2.5);
    IS(g, bg_arange(g, BG_I64, 1, 8, 3), 1, 4, 7);
    IS(g, bg_linspace(g, BG_F64, 0, 1, 5), 0, .25, .5, .75, 1);
    IS(g, bg_eye(g, BG_F32, 2, 3), 1, 0, 0, 0, 1, 0);
    IS(g, bg_scalar_f32(g, 1.5F), 1.5);
    IS(g, bg_scalar_f64(g, 1e300), 1e300);
    IS(g, bg_vector_f32(g, (float[]){1, 2}, 2), 1, 2);
    IS(g, bg_vector_u8(g, (uint8_t[]){0, 255}, 2), 0, 255);
    CHECK(bg_requires_grad(g, bg_param_f32(g, (float[]){1}, 1)));

    bg_set_seed(g, 7);
    bg_node u = bg_uniform(g, BG_F64, (size_t[]){1000}, 1, 2.0, 3.0);
    bg_node n = bg_normal(g, BG_F32, (size_t[]){1000}, 1, 5.0, 0.1);
    NEAR(g, bg_mean_all(g, u), .05, 2.5);
    NEAR(g, bg_mean_all(g, n), .05, 5);
    double first = 0, again = 1;
    CHECK(bg_item(g, bg_slice(g, u, 0, 0, 1, 1), &first) == BG_OK);
    bg_set_seed(g, 7);
    bg_node same = bg_uniform(g, BG_F64, (size_t[]){1000}, 1, 2.0, 3.0);
    CHECK(bg_item(g, bg_slice(g, same, 0, 0, 1, 1), &again) == BG_OK && first == again);
    float dropped[2][100], all[100];
    for (int round = 0; round < 2; round++) {
        bg_set_seed(g, 7);
        bg_node half = bg_dropout(g, bg_ones(g, BG_F32, (size_t[]){100}, 1), 0.5);
        CHECK(bg_read(g, half, all, sizeof all) == BG_OK);
        bg_resample(g);
        CHECK(bg_read(g, half, dropped[round], sizeof all) == BG_OK);
        CHECK(memcmp(dropped[round], all, sizeof all) != 0);
    }
    CHECK(memcmp(dropped[0], dropped[1], sizeof all) == 0);

    bg_node x = bg_param_f64(g, (double[]){1, 2}, 2);
    bg_node y = bg_square(g, x), before = bg_snapshot(g, y), view = bg_detach(g, y);
    CHECK(bg_write(g, x, (double[]){3, 4}, 2 * sizeof(double)) == BG_OK);
    IS(g, y, 9, 16);
    IS(g, view, 9, 16);
    IS(g, before, 1, 4);
    CHECK(!bg_requires_grad(g, view));

    char bytes[1 + 2 * sizeof(double)]; /* data of any alignment */
    memcpy(bytes + 1, (double[]){5, 6}, 2 * sizeof(double));
    CHECK(bg_write(g, x, bytes + 1, 2 * sizeof(double)) == BG_OK);
    IS(g, bg_tensor(g, BG_F64, bytes + 1, (size_t[]){2}, 1), 5, 6);
    IS(g, y, 25, 36);
}

static void gradients(bg_graph *g) {
    bg_node x = bg_param_f64(g, (double[]){3}, 1);
    bg_node u = bg_scale(g, x, 2);
    CHECK(bg_retain_grad(g, u) == BG_OK);
    bg_node roots[] = {u, bg_square(g, u)};
    CHECK(bg_backward_many(g, roots, NULL, 2) == BG_OK);
    GRAD_IS(g, x, 26);
    GRAD_IS(g, u, 13);
    bg_zero_grads(g);
    bg_node heads[] = {BG_NULL, bg_vector_f64(g, (double[]){10}, 1)};
    CHECK(bg_backward_many(g, roots, heads, 2) == BG_OK);
    GRAD_IS(g, x, 2 + 240);

    bg_zero_grads(g);
    bg_node y = bg_pow_scalar(g, x, 3), d1, d2, d3;
    CHECK(bg_grad(g, y, BG_NULL, &x, 1, &d1, false) == BG_OK);
    CHECK(bg_grad(g, d1, BG_NULL, &x, 1, &d2, false) == BG_OK);
    CHECK(bg_grad(g, d2, BG_NULL, &x, 1, &d3, false) == BG_OK);
    IS(g, d1, 27);
    IS(g, d2, 18);
    NEAR(g, d3, TINY, 6);
    CHECK(!bg_has_grad(g, x));
    bg_node unused = bg_param_f64(g, (double[]){0}, 1), xs[] = {x, unused}, found[2];
    CHECK(bg_grad(g, y, BG_NULL, xs, 2, found, true) == BG_OK);
    CHECK(!bg_is_null(found[0]) && bg_is_null(found[1]));
}

static void prints(bg_graph *g) {
    char text[256], tail[4];
    bg_node x = bg_param(g, BG_F32, (float[]){1, 2.5F, -3, 4}, (size_t[]){2, 2}, 2);
    CHECK(bg_format(g, x, text, sizeof text) == 25);
    CHECK(strcmp(text, "[[  1, 2.5],\n [ -3,   4]]") == 0);
    CHECK(bg_format(g, x, tail, sizeof tail) == 25 && strcmp(tail, "[[ ") == 0);
    CHECK(bg_format(g, x, NULL, 0) == 25);
    CHECK(bg_set_label(g, x, "weights") == BG_OK);
    CHECK(bg_label(g, x, text, sizeof text) == 7 && strcmp(text, "weights") == 0);

    bg_graph *small = bg_graph_new();
    bg_node a = bg_param_f32(small, (float[]){1, 2}, 2);
    bg_node b = bg_scale(small, a, 2);
    CHECK(bg_set_label(small, b, "b") == BG_OK);
    CHECK(bg_format_graph(small, text, sizeof text, BG_TEXT) == strlen(text));
    CHECK(strcmp(text, "n0 = leaf: f32 [2], requires grad\n"
                       "n1 = mul(n0, 2): f32 [2], requires grad, \"b\"\n") == 0);
    CHECK(bg_format_graph(small, text, sizeof text, BG_DOT) == strlen(text));
    CHECK(strstr(text, "digraph") != NULL && strstr(text, "n0 -> n1") != NULL);
    puts("printed:");
    CHECK(bg_print(small, b) == BG_OK);
    CHECK(bg_print_graph(small, BG_TEXT) == BG_OK);
    bg_graph_free(small);
}

static void life_of_a_graph(void) {
    CHECK(bg_version() == BG_VERSION);
    CHECK(BG_VERSION == 1000000 * BG_VERSION_MAJOR + 1000 * BG_VERSION_MINOR + BG_VERSION_PATCH);
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", BG_VERSION_MAJOR, BG_VERSION_MINOR,
             BG_VERSION_PATCH);
    CHECK(strcmp(bg_version_string(), version) == 0);
    const char *level = bg_simd_level();
    CHECK(!strcmp(level, "baseline") || !strcmp(level, "v3") || !strcmp(level, "v4"));

    bg_options options = BG_OPTIONS_INIT;
    options.seed = 7;
    bg_graph *g = bg_graph_new_with(&options);
    bg_node w = bg_param_f64(g, (double[]){1, 2}, 2);
    bg_place mark = bg_mark(g);
    for (int i = 0; i < 3; i++) {
        CHECK(bg_backward(g, bg_sum_all(g, bg_square(g, w))) == BG_OK);
        CHECK(bg_node_count(g) == 3);
        CHECK(bg_rewind(g, mark) == BG_OK && bg_node_count(g) == 1);
    }
    GRAD_IS(g, w, 6, 12);
    bg_memory memory = BG_MEMORY_INIT;
    CHECK(bg_memory_stats(g, &memory) == BG_OK);
    CHECK(0 < memory.live && memory.live <= memory.peak && memory.peak <= memory.pooled);
    CHECK(memory.records > 0 && memory.plans > 0);
    bg_reset(g);
    CHECK(bg_node_count(g) == 0);
    bg_graph_free(g);
}

int main(void) {
    void (*parts[])(bg_graph *) = {unary,     binary,  reductions, shapes, products_and_losses,
                                   leaves, gradients, prints};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bg_graph *g = bg_graph_new();
        parts[i](g);
        CHECK(bg_last_status(g) == BG_OK);
        CHECK(strcmp(bg_error_message(g), "") == 0);
        bg_graph_free(g);
    }
    life_of_a_graph();
    return failures != 0;
}
