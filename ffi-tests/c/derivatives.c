/* Tangents, batches and matrices of derivatives: values, misuse, and that a failure changes nothing. */

#include "check.h"

static void tangents(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1, 2, 3}, 3);
    bg_node c = bg_vector_f64(g, (double[]){2, 2, 2}, 3);
    bg_node ys[3] = {bg_mul(g, bg_square(g, x), c), bg_sum_all(g, x), c};
    bg_node v = bg_vector_f64(g, (double[]){1, 0, -1}, 3);
    bg_node out[3];
    CHECK(bg_jvp(g, ys, 3, &x, &v, 1, out) == BG_OK);
    IS(g, out[0], 4, 0, -12);
    IS(g, out[1], 0);
    IS(g, out[2], 0, 0, 0);

    /* Twice: v' H v. And under no_grad, where gradients are not recorded but tangents are. */
    bg_node y = bg_sum_all(g, bg_mul(g, x, bg_square(g, x)));
    bg_node first, second;
    bg_no_grad_begin(g);
    CHECK(bg_jvp(g, &y, 1, &x, &v, 1, &first) == BG_OK);
    CHECK(!bg_requires_grad(g, first));
    bg_no_grad_end(g);
    IS(g, first, 3 - 27);
    CHECK(bg_jvp(g, &y, 1, &x, &v, 1, &first) == BG_OK);
    CHECK(bg_jvp(g, &first, 1, &x, &v, 1, &second) == BG_OK);
    IS(g, second, 6 + 18);
    CHECK(bg_hvp(g, y, &x, &v, 1, &second) == BG_OK);
    IS(g, second, 6, 0, -18);

    /* What was detached does not move. */
    bg_node held = bg_mul(g, bg_detach(g, x), x);
    CHECK(bg_jvp(g, &held, 1, &x, &v, 1, out) == BG_OK);
    IS(g, out[0], 1, 0, -3);

    /* Two outputs with their head gradients. */
    bg_node heads[2] = {bg_vector_f64(g, (double[]){1, 10, 100}, 3), BG_NULL};
    CHECK(bg_vjp(g, ys, heads, 2, &x, 1, out, false) == BG_OK);
    IS(g, out[0], 4 + 1, 80 + 1, 1200 + 1);
    CHECK(bg_vjp(g, ys + 1, NULL, 1, &x, 1, out, false) == BG_OK);
    IS(g, out[0], 1, 1, 1);
    CHECK(bg_vjp(g, ys, NULL, 1, &x, 1, out, false) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "vjp: grad can be implicitly created only for scalar outputs");

    bg_node f = bg_vector_f32(g, (float[]){1, 0, -1}, 3), short_v = bg_vector_f64(g, (double[]){1}, 1);
    size_t before = bg_node_count(g);
    CHECK(bg_jvp(g, ys, 1, &x, &short_v, 1, out) == BG_ERR_SHAPE && bg_is_null(out[0]));
    FAILS(g, BG_ERR_SHAPE, "jvp: tangent 0 must have the shape [3] of its input, not [1]");
    CHECK(bg_jvp(g, ys, 1, &x, &f, 1, out) == BG_ERR_DTYPE);
    FAILS(g, BG_ERR_DTYPE, "jvp: tangent 0 must be f64 like its input, not f32: use cast");
    CHECK(bg_jvp(g, ys, 1, &x, NULL, 1, out) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "jvp");
    CHECK(bg_jvp(g, ys, 1, &x, &v, 1, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "jvp");
    bg_node null = BG_NULL;
    CHECK(bg_jvp(g, &null, 1, &x, &v, 1, out) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "jvp: the handle is null");
    CHECK(bg_hvp(g, ys[0], &x, &v, 1, out) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "hvp: needs an output of a single element, not [3]");
    CHECK(bg_node_count(g) == before);
    CHECK(bg_jvp(NULL, ys, 1, &x, &v, 1, out) == BG_ERR_MEMORY);
    CHECK(bg_jvp(g, NULL, 0, NULL, NULL, 0, NULL) == BG_OK);
    bg_graph_free(g);
}

static void batches(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1}, 1);
    bg_node w = bg_param_f64(g, (double[]){5}, 1);
    bg_node y = bg_mul(g, bg_square(g, x), w);
    bg_node slope;
    CHECK(bg_grad(g, y, BG_NULL, &x, 1, &slope, false) == BG_OK);
    bg_node ys[3] = {y, slope, w}, out[3];
    double points[4] = {1, 2, 3, 4};
    bg_node batch = bg_tensor(g, BG_F64, points, (size_t[]){4, 1}, 2);
    CHECK(bg_vmap(g, ys, 3, &x, &batch, 1, out) == BG_OK);
    SHAPE_IS(g, out[0], 4, 1);
    IS(g, out[0], 5, 20, 45, 80);
    IS(g, out[1], 10, 20, 30, 40);
    IS(g, out[2], 5, 5, 5, 5);
    CHECK(bg_backward(g, bg_sum_all(g, out[0])) == BG_OK);
    GRAD_IS(g, w, 30);

    size_t before = bg_node_count(g);
    CHECK(bg_vmap(g, ys, 1, &x, &w, 1, out) == BG_ERR_SHAPE && bg_is_null(out[0]));
    FAILS(g, BG_ERR_SHAPE, "vmap: batched input 0 must have the shape [1] of its input with an axis of 1 "
                           "in front, not [1]");
    bg_node two[2] = {x, x}, batches[2] = {batch, batch};
    CHECK(bg_vmap(g, ys, 1, two, batches, 2, out) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "vmap: input 1 is named twice");
    CHECK(bg_vmap(g, ys, 1, NULL, NULL, 0, out) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "vmap: needs at least one input");
    CHECK(bg_node_count(g) == before);

    /* A loop that was decided by values holds for one element only. */
    bg_node z = bg_scale(g, x, 3);
    CHECK(bg_set_label(g, z, "tripled") == BG_OK);
    IS(g, z, 3);
    bg_node end = bg_square(g, z);
    CHECK(bg_vmap(g, &end, 1, &x, &batch, 1, out) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "\"tripled\" [1], was read");
    /* Inputs and outputs may be read. */
    IS(g, x, 1);
    IS(g, y, 5);
    CHECK(bg_vmap(g, &y, 1, &x, &batch, 1, out) == BG_OK);

    /* Dropout draws for each element. */
    bg_node ones = bg_full(g, BG_F64, (size_t[]){100}, 1, 1);
    bg_node dropped = bg_dropout(g, ones, .5);
    bg_node many = bg_full(g, BG_F64, (size_t[]){2, 100}, 2, 1);
    CHECK(bg_vmap(g, &dropped, 1, &ones, &many, 1, out) == BG_OK);
    double drawn[200];
    CHECK(bg_read(g, out[0], drawn, sizeof drawn) == BG_OK);
    CHECK(memcmp(drawn, drawn + 100, sizeof drawn / 2) != 0);
    /* In another batch, others; and in the gradient the same as in the value. */
    bg_node more = bg_full(g, BG_F64, (size_t[]){3, 100}, 2, 1);
    bg_node leaf = bg_param(g, BG_F64, drawn, (size_t[]){100}, 1);
    bg_node kept = bg_dropout(g, leaf, .5), by_leaf, pair[2];
    CHECK(bg_grad(g, bg_sum_all(g, kept), BG_NULL, &leaf, 1, &by_leaf, false) == BG_OK);
    bg_node both[2] = {kept, by_leaf};
    CHECK(bg_vmap(g, both, 2, &leaf, &more, 1, pair) == BG_OK);
    SHAPE_IS(g, pair[0], 3, 100);
    double values[300], slopes[300];
    CHECK(bg_read(g, pair[0], values, sizeof values) == BG_OK);
    CHECK(bg_read(g, pair[1], slopes, sizeof slopes) == BG_OK);
    CHECK(memcmp(values, slopes, sizeof values) == 0);
    bg_graph_free(g);
}

static void matrices(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){3, 4}, 2);
    bg_node a = bg_select(g, x, 0, 0), b = bg_select(g, x, 0, 1);
    bg_node power = bg_pow(g, a, b);
    double log3 = log(3), mixed = 27 + 108 * log3;
    NEAR(g, bg_hessian(g, power, x), 1e-13, 108, mixed, mixed, 81 * log3 * log3);
    NEAR(g, bg_hessian_diagonal(g, power, x), 1e-13, 108, 81 * log3 * log3);
    NEAR(g, bg_laplacian(g, power, x), 1e-13, 108 + 81 * log3 * log3);
    bg_node field = bg_mul(g, x, bg_sum_all(g, x));
    CHECK(bg_jacobian_mode(g, field, x) == BG_REVERSE);
    CHECK(bg_jacobian_mode(g, bg_concat(g, (bg_node[]){x, x}, 2, 0), x) == BG_FORWARD);
    int32_t modes[3] = {BG_AUTO, BG_REVERSE, BG_FORWARD};
    for (int i = 0; i < 3; i++) {
        bg_node jacobian = bg_jacobian(g, field, x, modes[i]);
        SHAPE_IS(g, jacobian, 2, 2);
        IS(g, jacobian, 10, 3, 4, 11);
    }
    IS(g, bg_divergence(g, field, x), 21);
    /* Without gradients, by tangents. */
    bg_node c = bg_vector_f64(g, (double[]){3, 4}, 2);
    bg_node square = bg_square(g, c);
    CHECK(bg_jacobian_mode(g, square, c) == BG_FORWARD);
    bg_node index = bg_cast(g, x, BG_I64);
    CHECK(bg_jacobian_mode(g, square, index) == 0);
    FAILS(g, BG_ERR_DTYPE, "jacobian_mode: needs an operand of type f32 or f64, not i64");
    CHECK(bg_jacobian_mode(g, index, x) == 0);
    FAILS(g, BG_ERR_DTYPE, "jacobian_mode: needs an operand of type f32 or f64, not i64");
    IS(g, bg_jacobian(g, square, c, BG_AUTO), 6, 0, 0, 8);
    IS(g, bg_jacobian(g, x, c, BG_AUTO), 0, 0, 0, 0);

    CHECK(bg_is_null(bg_jacobian(g, field, x, 7)));
    FAILS(g, BG_ERR_ARGUMENT, "jacobian: the mode must be BG_AUTO, BG_REVERSE or BG_FORWARD, not 7");
    CHECK(bg_is_null(bg_hessian(g, field, x)));
    FAILS(g, BG_ERR_SHAPE, "hessian: needs an output of a single element, not [2]");
    CHECK(bg_is_null(bg_divergence(g, power, x)));
    FAILS(g, BG_ERR_SHAPE, "divergence: needs an output of the shape [2] of the input, not []");
    CHECK(bg_is_null(bg_jacobian(g, bg_gt(g, x, x), x, BG_AUTO)));
    FAILS(g, BG_ERR_DTYPE, "jacobian: needs an operand of type f32 or f64, not u8");
    bg_node deep = bg_reshape(g, x, (int64_t[]){1, 1, 1, 1, 2}, 5);
    CHECK(bg_is_null(bg_jacobian(g, deep, deep, BG_AUTO)));
    FAILS(g, BG_ERR_LIMIT, "jacobian: [1, 1, 1, 1, 2] by [1, 1, 1, 1, 2] is of rank 10, and the largest is 8");
    bg_graph_free(g);
}

static void sparse(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1, 2, 3, 4}, 4);
    bg_node low = bg_slice(g, x, 0, 0, 3, 1), high = bg_slice(g, x, 0, 1, 4, 1);
    bg_node y = bg_mul(g, low, high);
    size_t starts[4];
    uint32_t columns[6];
    CHECK(bg_sparsity(g, y, x, NULL, NULL, 0) == 6);
    CHECK(bg_sparsity(g, y, x, starts, columns, 6) == 6);
    CHECK(starts[0] == 0 && starts[1] == 2 && starts[2] == 4 && starts[3] == 6);
    CHECK(columns[0] == 0 && columns[1] == 1 && columns[4] == 2 && columns[5] == 3);
    bg_node jacobian = bg_sparse_jacobian(g, y, x);
    IS(g, jacobian, 2, 1, 3, 2, 4, 3);
    CHECK(bg_write(g, x, (double[]){4, 3, 2, 1}, 4 * sizeof(double)) == BG_OK);
    IS(g, jacobian, 3, 4, 2, 3, 1, 2);

    bg_node energy = bg_sum_all(g, bg_square(g, y));
    uint32_t lower[7];
    size_t rows[5];
    CHECK(bg_hessian_sparsity(g, energy, x, false, NULL, NULL, 0) == 10);
    CHECK(bg_hessian_sparsity(g, energy, x, true, rows, lower, 7) == 7);
    CHECK(rows[1] == 1 && rows[2] == 3 && rows[4] == 7 && lower[1] == 0 && lower[2] == 1);
    /* Of x0^2 x1^2 + x1^2 x2^2 + x2^2 x3^2. */
    IS(g, bg_sparse_hessian(g, energy, x, true), 18, 48, 32 + 8, 24, 18 + 2, 8, 8);

    size_t tangents = 7, gradients = 7;
    CHECK(bg_sparse_jacobian_passes(g, y, x, &tangents, &gradients) == 2);
    CHECK(tangents == 2 && gradients == 0);
    CHECK(bg_sparse_jacobian_passes(g, y, x, NULL, NULL) == 2);
    CHECK(bg_sparse_jacobian_passes(g, bg_sum_all(g, y), x, &tangents, &gradients) == 1);
    CHECK(tangents == 0 && gradients == 1);
    CHECK(bg_sparse_hessian_passes(g, energy, x) == 4);
    CHECK(bg_sparse_hessian_passes(g, y, x) == 0);
    FAILS(g, BG_ERR_SHAPE, "sparse_hessian_passes: needs an output of a single element, not [3]");
    CHECK(bg_sparsity(g, bg_gt(g, x, x), x, NULL, NULL, 0) == 0);
    FAILS(g, BG_ERR_DTYPE, "sparsity: needs an operand of type f32 or f64, not u8");
    CHECK(bg_is_null(bg_sparse_hessian(g, y, x, false)));
    FAILS(g, BG_ERR_SHAPE, "sparse_hessian: needs an output of a single element, not [3]");
    bg_graph_free(g);
}

static void evidence(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){.5, 1.5, -2}, 3);
    bg_node w = bg_param_f64(g, (double[]){3}, 1);
    CHECK(bg_set_label(g, x, "x") == BG_OK);
    bg_node y = bg_mul(g, bg_sin(g, x), w);
    bg_node xs[2] = {w, x};
    bg_gradcheck_result result = BG_GRADCHECK_RESULT_INIT;
    size_t before = bg_node_count(g);
    CHECK(bg_gradcheck(g, y, xs, 2, NULL, &result) == BG_OK);
    CHECK(is_near(result.forward, result.reverse, 1e-13) && result.forward != 0);
    CHECK(bg_node_count(g) == before);
    IS(g, x, .5, 1.5, -2);
    IS(g, y, 3 * sin(.5), 3 * sin(1.5), 3 * sin(-2.));

    /* A derivative that is not that of the value: part of it was detached. */
    bg_node wrong = bg_mul(g, x, bg_detach(g, x));
    CHECK(bg_gradcheck(g, wrong, &x, 1, NULL, &result) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "gradcheck: the derivative by element 2 of input 0, \"x\" [3], is ");
    CHECK(result.input == 0 && is_near(2 * result.derivative, result.difference, 1e-6));
    /* A single element is not weighed. */
    CHECK(bg_gradcheck(g, bg_sum_all(g, bg_square(g, w)), &w, 1, NULL, &result) == BG_OK);
    CHECK(result.derivative == 6 && is_near(result.difference, 6, 1e-8));
    bg_gradcheck_options options = BG_GRADCHECK_OPTIONS_INIT;
    options.step = -1;
    CHECK(bg_gradcheck(g, y, &x, 1, &options, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "gradcheck: step must be above 0 and finite, not -1");
    CHECK(bg_gradcheck(g, y, &y, 1, NULL, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "is the result of mul, not a leaf");

    char text[300];
    CHECK(bg_why_no_grad(g, y, x, text, sizeof text) == strlen(text));
    CHECK(strstr(text, "the gradient of n2") == NULL && strstr(text, "reaches n0, leaf \"x\" [3]"));
    bg_node cut = bg_sum_all(g, bg_exp(g, bg_detach(g, y)));
    CHECK(bg_why_no_grad(g, cut, x, text, sizeof text) > 0);
    CHECK(strstr(text, "does not reach n0") && strstr(text, "detach [3] was detached"));
    CHECK(bg_why_no_grad(g, x, w, text, sizeof text) > 0 && strstr(text, "does not depend on"));
    bg_no_grad_begin(g);
    bg_node quiet = bg_square(g, x);
    bg_no_grad_end(g);
    CHECK(bg_why_no_grad(g, quiet, x, text, sizeof text) > 0);
    CHECK(strstr(text, "square [3] was recorded under no_grad"));
    CHECK(bg_why_no_grad(g, bg_gt(g, x, w), x, text, sizeof text) > 0 && strstr(text, "is a comparison"));

    bg_check_numbers(g, true);
    bg_node log = bg_log(g, x), sum = bg_sum_all(g, log);
    CHECK(bg_set_label(g, log, "logarithm") == BG_OK);
    double number;
    CHECK(bg_item(g, sum, &number) == BG_ERR_NUMBER);
    FAILS(g, BG_ERR_NUMBER, "check_numbers: element 2 of");
    CHECK(bg_item(g, sum, &number) == BG_ERR_NUMBER);
    FAILS(g, BG_ERR_NUMBER, "log \"logarithm\" [3], is NaN");
    /* A value that is right, with a slope that is not. */
    bg_node zero = bg_param_f64(g, (double[]){0}, 1), root = bg_sqrt(g, zero);
    CHECK(bg_item(g, root, &number) == BG_OK && number == 0);
    CHECK(bg_backward(g, root) == BG_ERR_NUMBER);
    FAILS(g, BG_ERR_NUMBER, "made in the derivative of");
    CHECK(!bg_has_grad(g, zero));
    /* Infinities that were given go through. */
    bg_node masked = bg_max(g, bg_mul(g, bg_vector_f64(g, (double[]){-INFINITY, 1}, 2), w), NULL, 0, false);
    CHECK(bg_item(g, masked, &number) == BG_OK && number == 3);
    bg_check_numbers(g, false);
    CHECK(bg_item(g, sum, &number) == BG_OK && isnan(number));
    bg_graph_free(g);
}

int main(void) {
    sparse();
    evidence();
    tangents();
    batches();
    matrices();
    return failures != 0;
}
