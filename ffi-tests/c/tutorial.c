/* What every tutorial of automatic differentiation shows, with the values it must give. */

#include "check.h"

static bg_node column(bg_graph *g) {
    return bg_param(g, BG_F64, (double[]){0, 1, 2, 3}, (size_t[]){4, 1}, 2);
}

static bg_node vector(bg_graph *g) {
    return bg_param_f64(g, (double[]){0, 1, 2, 3}, 4);
}

static bg_node scalar_param(bg_graph *g, double value) {
    return bg_param(g, BG_F64, &value, NULL, 0);
}

static double item(bg_graph *g, bg_node x) {
    double value = NAN;
    CHECK(bg_item(g, x, &value) == BG_OK);
    return value;
}

static void column_times_itself(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = column(g);
    bg_node y = bg_scale(g, bg_matmul(g, bg_transpose(g, x, 0, 1), x), 2.0);
    SHAPE_IS(g, y, 1, 1);
    IS(g, y, 28);
    CHECK(strcmp(bg_op_name(g, y), "mul") == 0 && bg_op_name(g, x) == NULL);
    CHECK(bg_backward(g, y) == BG_OK);
    bg_node dx = bg_grad_tensor(g, x);
    SHAPE_IS(g, dx, 4, 1);
    IS(g, dx, 0, 4, 8, 12);
    bg_node distance = bg_sub(g, dx, bg_scale(g, bg_detach(g, x), 4.0));
    IS(g, bg_norm(g, distance, 2.0, NULL, 0, false), 0);
    bg_graph_free(g);
}

static void dot_and_accumulation(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = vector(g);
    bg_node y = bg_scale(g, bg_dot(g, x, x), 2.0);
    CHECK(bg_rank(g, y) == 0 && bg_len(g, y) == 1);
    IS(g, y, 28);
    CHECK(!bg_has_grad(g, x));
    CHECK(bg_backward(g, y) == BG_OK);
    CHECK(bg_has_grad(g, x));
    GRAD_IS(g, x, 0, 4, 8, 12);
    CHECK(bg_backward(g, bg_sum_all(g, x)) == BG_OK);
    GRAD_IS(g, x, 1, 5, 9, 13);
    CHECK(bg_zero_grad(g, x) == BG_OK && !bg_has_grad(g, x));
    CHECK(bg_backward(g, bg_sum_all(g, x)) == BG_OK);
    GRAD_IS(g, x, 1, 1, 1, 1);
    bg_graph_free(g);
}

static void heads(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = vector(g);
    bg_node ones = bg_ones(g, BG_F64, (size_t[]){4}, 1);
    CHECK(bg_backward_with(g, bg_mul(g, x, x), ones) == BG_OK);
    GRAD_IS(g, x, 0, 2, 4, 6);

    bg_zero_grads(g);
    bg_node u = bg_detach(g, bg_mul(g, x, x));
    CHECK(bg_backward(g, bg_sum_all(g, bg_mul(g, u, x))) == BG_OK);
    GRAD_IS(g, x, 0, 1, 4, 9);

    bg_node p = bg_param_f64(g, (double[]){1, 2}, 2);
    bg_node y = bg_scale(g, bg_square(g, p), 3.0);
    IS(g, y, 3, 12);
    CHECK(bg_backward_with(g, y, bg_vector_f64(g, (double[]){1, 1}, 2)) == BG_OK);
    GRAD_IS(g, p, 6, 12);
    bg_zero_grads(g);
    CHECK(bg_backward_with(g, y, bg_vector_f64(g, (double[]){1, 10}, 2)) == BG_OK);
    GRAD_IS(g, p, 6, 120);

    bg_zero_grads(g);
    bg_node z = bg_mul(g, bg_scale(g, x, 2.0), x);
    bg_node weights = bg_vector_f64(g, (double[]){10, 1, .1, .01}, 4);
    CHECK(bg_backward_with(g, z, weights) == BG_OK);
    NEAR(g, bg_grad_tensor(g, x), 1e-15, 0, 4, .8, .12);
    bg_zero_grads(g);
    CHECK(bg_backward_with(g, z, ones) == BG_OK);
    GRAD_IS(g, x, 0, 4, 8, 12);
    bg_graph_free(g);
}

/* The program decides by values which operations come next. */
static void control_flow(double value, double slope) {
    bg_graph *g = bg_graph_new();
    bg_node a = scalar_param(g, value);
    bg_node b = bg_scale(g, a, 2.0);
    while (item(g, bg_norm(g, b, 2.0, NULL, 0, false)) < 1000) {
        b = bg_scale(g, b, 2.0);
    }
    bg_node c = item(g, bg_sum_all(g, b)) > 0 ? b : bg_scale(g, b, 100.0);
    CHECK(bg_backward(g, c) == BG_OK);
    CHECK(bg_rank(g, bg_grad_tensor(g, a)) == 0);
    GRAD_IS(g, a, slope);
    CHECK(item(g, bg_grad_tensor(g, a)) == item(g, c) / value);
    bg_graph_free(g);
}

static void doubling(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){.3, .4, .5}, 3);
    bg_node y = bg_scale(g, x, 2.0);
    int doublings = 1;
    while (item(g, bg_norm(g, y, 2.0, NULL, 0, false)) < 1000) {
        y = bg_scale(g, y, 2.0);
        doublings++;
    }
    CHECK(doublings == 11);
    CHECK(bg_backward_with(g, y, bg_vector_f64(g, (double[]){.1, 1, 1e-4}, 3)) == BG_OK);
    NEAR(g, bg_grad_tensor(g, x), 1e-15, 204.8, 2048, .2048);
    bg_graph_free(g);
}

static void what_backward_refuses(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_vector_f64(g, (double[]){0, 1, 2, 3}, 4);
    bg_node y = bg_scale(g, bg_dot(g, x, x), 2.0);
    CHECK(bg_backward(g, y) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "element 0 of tensors does not require grad and does not have a grad_fn");
    IS(g, y, 28);
    CHECK(bg_backward(g, bg_square(g, vector(g))) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "grad can be implicitly created only for scalar outputs");
    bg_graph_free(g);
}

static void mean_of_squares(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_ones(g, BG_F64, (size_t[]){2, 2}, 2);
    CHECK(bg_set_requires_grad(g, x, true) == BG_OK);
    bg_node y = bg_add_scalar(g, x, 2.0);
    bg_node z = bg_scale(g, bg_mul(g, y, y), 3.0);
    bg_node mean = bg_mean_all(g, z);
    IS(g, y, 3, 3, 3, 3);
    IS(g, z, 27, 27, 27, 27);
    IS(g, mean, 27);
    CHECK(bg_backward(g, mean) == BG_OK);
    GRAD_IS(g, x, 4.5, 4.5, 4.5, 4.5);
    bg_graph_free(g);
}

static void what_requires_gradients(void) {
    bg_graph *g = bg_graph_new();
    bg_node a = bg_normal(g, BG_F64, (size_t[]){2, 2}, 2, 0.0, 1.0);
    bg_node b = bg_div(g, bg_scale(g, a, 3.0), bg_add_scalar(g, a, -1.0));
    CHECK(!bg_requires_grad(g, b));
    CHECK(bg_set_requires_grad(g, a, true) == BG_OK && bg_requires_grad(g, a));
    bg_node sum = bg_sum_all(g, bg_mul(g, a, a));
    CHECK(bg_requires_grad(g, sum) && strcmp(bg_op_name(g, sum), "sum") == 0);
    CHECK(bg_requires_grad(g, bg_square(g, a)));
    bg_no_grad_begin(g);
    CHECK(!bg_requires_grad(g, bg_square(g, a)));
    CHECK(bg_requires_grad(g, vector(g)));
    bg_no_grad_end(g);
    CHECK(bg_requires_grad(g, bg_square(g, a)));
    bg_graph_free(g);
}

static void derivative_of_the_sine(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_linspace(g, BG_F64, -10.0, 10.0, 101);
    CHECK(bg_set_requires_grad(g, x, true) == BG_OK);
    CHECK(bg_backward(g, bg_sum_all(g, bg_sin(g, x))) == BG_OK);
    bg_node same = bg_eq(g, bg_grad_tensor(g, x), bg_cos(g, x));
    IS(g, bg_sum_all(g, bg_cast(g, same, BG_F64)), 101);
    bg_graph_free(g);
}

static void a_function_and_its_derivative(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){-2, -1, .5, 1, 2}, 5);
    bg_node f = bg_add(g, bg_mul(g, bg_log(g, bg_square(g, x)), bg_sin(g, x)), bg_reciprocal(g, x));
    NEAR(g, f, 1e-15, -1.7605538953892688, -1, 1.335375079256127, 1, 1.7605538953892688);
    CHECK(bg_backward(g, bg_sum_all(g, f)) == BG_OK);
    NEAR(g, bg_grad_tensor(g, x), 1e-14, .08239541392249738, .682941969615793, -3.2988856025489586,
         .682941969615793, .08239541392249738);
    bg_graph_free(g);
}

static void training_and_evaluation(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = vector(g);
    CHECK(bg_training(g));
    IS(g, bg_dropout(g, x, 0.0), 0, 1, 2, 3);
    bg_node nothing = bg_dropout(g, x, 1.0);
    IS(g, nothing, 0, 0, 0, 0);
    CHECK(bg_backward(g, bg_sum_all(g, nothing)) == BG_OK);
    GRAD_IS(g, x, 0, 0, 0, 0);
    bg_node half = bg_dropout(g, bg_ones(g, BG_F64, (size_t[]){1000}, 1), 0.5);
    double sum = item(g, bg_sum_all(g, half));
    CHECK(800 < sum && sum < 1200 && sum == item(g, bg_sum_all(g, half)));
    bg_resample(g);
    CHECK(sum != item(g, bg_sum_all(g, half)));
    bg_set_training(g, false);
    CHECK(!bg_training(g));
    IS(g, bg_dropout(g, x, 0.5), 0, 1, 2, 3);
    CHECK(item(g, bg_sum_all(g, half)) == 1000);
    bg_graph_free(g);
}

int main(void) {
    column_times_itself();
    dot_and_accumulation();
    heads();
    control_flow(.1136, 16384);
    control_flow(-.1136, 1638400);
    control_flow(1.2009, 1024);
    control_flow(-.7, 204800);
    doubling();
    what_backward_refuses();
    mean_of_squares();
    what_requires_gradients();
    derivative_of_the_sine();
    a_function_and_its_derivative();
    training_and_evaluation();
    return failures != 0;
}
