/* Two steps of each optimiser from [1, 2] with the loss sum p^2, against PyTorch's values; groups of
   parameters, states, gradients that are written and clipped, schedules. */

#include "check.h"

typedef bg_status step_function(bg_graph *g);

static bg_status momentum(bg_graph *g) {
    bg_sgd_options options = BG_SGD_OPTIONS_INIT;
    options.rate = .1;
    options.momentum = .9;
    return bg_sgd_step(g, &options);
}

static bg_status adam(bg_graph *g) {
    bg_adam_options options = BG_ADAM_OPTIONS_INIT;
    options.rate = .1;
    return bg_adam_step(g, &options);
}

static bg_status decay(bg_graph *g) {
    bg_sgd_options options = BG_SGD_OPTIONS_INIT;
    options.rate = .1;
    options.weight_decay = .5;
    return bg_sgd_step(g, &options);
}

static bg_status plain(bg_graph *g) {
    return bg_sgd_step(g, NULL);
}

/* A program that was compiled when the options ended after the rate. */
static bg_status short_options(bg_graph *g) {
    bg_adam_options options = {offsetof(bg_adam_options, beta1), .1, NAN, NAN, NAN, NAN, true, true};
    return bg_adam_step(g, &options);
}

static bg_status nesterov(bg_graph *g) {
    bg_sgd_options options = BG_SGD_OPTIONS_INIT;
    options.rate = .1;
    options.momentum = .9;
    options.nesterov = true;
    return bg_sgd_step(g, &options);
}

static bg_status dampened(bg_graph *g) {
    bg_sgd_options options = BG_SGD_OPTIONS_INIT;
    options.rate = .1;
    options.momentum = .9;
    options.dampening = .5;
    return bg_sgd_step(g, &options);
}

static bg_status adamw(bg_graph *g) {
    bg_adam_options options = BG_ADAMW_OPTIONS_INIT;
    options.rate = .1;
    return bg_adamw_step(g, &options);
}

static bg_status adamw_default(bg_graph *g) {
    return bg_adamw_step(g, NULL);
}

static bg_status rmsprop(bg_graph *g) {
    bg_rmsprop_options options = BG_RMSPROP_OPTIONS_INIT;
    options.rate = .1;
    options.momentum = .5;
    options.centered = true;
    return bg_rmsprop_step(g, &options);
}

static bg_status adagrad(bg_graph *g) {
    bg_adagrad_options options = BG_ADAGRAD_OPTIONS_INIT;
    options.rate = .1;
    options.rate_decay = 1;
    return bg_adagrad_step(g, &options);
}

static bg_status lion(bg_graph *g) {
    bg_lion_options options = BG_LION_OPTIONS_INIT;
    options.rate = .1;
    options.weight_decay = 1;
    return bg_lion_step(g, &options);
}

static bg_status amsgrad(bg_graph *g) {
    bg_adam_options options = BG_ADAM_OPTIONS_INIT;
    options.rate = .1;
    options.beta2 = .1;
    options.amsgrad = true;
    return bg_adam_step(g, &options);
}

static bg_status adamw_uphill(bg_graph *g) {
    bg_adam_options options = BG_ADAMW_OPTIONS_INIT;
    options.rate = .1;
    options.maximize = true;
    return bg_adamw_step(g, &options);
}

static bg_status uphill(bg_graph *g) {
    bg_sgd_options options = BG_SGD_OPTIONS_INIT;
    options.rate = .1;
    options.maximize = true;
    return bg_sgd_step(g, &options);
}

static bg_status rmsprop_uphill(bg_graph *g) {
    bg_rmsprop_options options = BG_RMSPROP_OPTIONS_INIT;
    options.rate = .1;
    options.maximize = true;
    return bg_rmsprop_step(g, &options);
}

static bg_status adagrad_uphill(bg_graph *g) {
    bg_adagrad_options options = BG_ADAGRAD_OPTIONS_INIT;
    options.rate = .1;
    options.maximize = true;
    return bg_adagrad_step(g, &options);
}

static bg_status lion_uphill(bg_graph *g) {
    bg_lion_options options = BG_LION_OPTIONS_INIT;
    options.rate = .1;
    options.maximize = true;
    return bg_lion_step(g, &options);
}

static void two_steps(step_function *step, double first, double second) {
    bg_graph *g = bg_graph_new();
    bg_node p = bg_param_f64(g, (double[]){1, 2}, 2);
    bg_node frozen = bg_param_f64(g, (double[]){1}, 1);
    bg_node loss = bg_sum_all(g, bg_square(g, p));
    for (int i = 0; i < 2; i++) {
        bg_zero_grads(g);
        CHECK(bg_backward(g, loss) == BG_OK);
        CHECK(step(g) == BG_OK);
    }
    NEAR(g, p, 1e-7, first, second);
    IS(g, frozen, 1);
    bg_graph_free(g);
}

/* Two optimisers, one of them with two groups. */
static void groups(void) {
    bg_graph *g = bg_graph_new();
    bg_node p[3];
    for (int i = 0; i < 3; i++) {
        p[i] = bg_param_f64(g, (double[]){1}, 1);
    }
    bg_node all = bg_add(g, bg_add(g, bg_square(g, p[0]), bg_square(g, p[1])), bg_square(g, p[2]));
    CHECK(bg_backward(g, bg_sum_all(g, all)) == BG_OK);
    bg_sgd_options fast = BG_SGD_OPTIONS_INIT, slow = BG_SGD_OPTIONS_INIT;
    fast.rate = .25;
    slow.rate = .125;
    bg_lion_options lion_options = BG_LION_OPTIONS_INIT;
    lion_options.rate = .5;
    CHECK(bg_sgd_step_on(g, p, 1, &fast) == BG_OK);
    CHECK(bg_sgd_step_on(g, p + 1, 1, &slow) == BG_OK);
    CHECK(bg_lion_step_on(g, p + 2, 1, &lion_options) == BG_OK);
    IS(g, p[0], .5);
    IS(g, p[1], .75);
    IS(g, p[2], .5);
    CHECK(bg_adam_step_on(g, p, 3, NULL) == BG_OK);
    CHECK(bg_adamw_step_on(g, p, 3, NULL) == BG_OK);
    CHECK(bg_rmsprop_step_on(g, p, 3, NULL) == BG_OK);
    CHECK(bg_adagrad_step_on(g, p, 3, NULL) == BG_OK);
    CHECK(bg_adam_step_on(g, p, 0, NULL) == BG_OK && bg_adam_step_on(g, NULL, 0, NULL) == BG_OK);
    CHECK(bg_adam_step_on(g, NULL, 3, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "adam_step: a pointer is NULL");
    CHECK(bg_adamw_step_on(g, (bg_node[]){p[0], p[0]}, 2, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "adamw_step: n0 is in the list more than once");
    CHECK(bg_rmsprop_step_on(g, &all, 1, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "not a leaf");
    bg_node constant = bg_vector_f64(g, (double[]){1}, 1);
    CHECK(bg_adagrad_step_on(g, &constant, 1, NULL) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "does not require grad");
    CHECK(bg_zero_grad(g, p[1]) == BG_OK);
    CHECK(bg_lion_step_on(g, p, 3, NULL) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "lion_step: the leaf n1, [1], has no gradient");
    bg_graph_free(g);
}

/* A state that is saved and brought back goes on as if nothing had been. */
static void states(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1, 2}, 2), y = bg_param_f64(g, (double[]){1, 2}, 2);
    uint64_t steps = 7;
    CHECK(bg_optimiser(g, x, &steps) == BG_OPTIMISER_NONE && steps == 0);
    CHECK(bg_optimiser(NULL, x, NULL) == 0 && !bg_has_moment(NULL, x, 0));
    for (int i = 0; i < 3; i++) {
        bg_write_grad(g, x, (double[]){1, i - 1}, 2 * sizeof(double));
        CHECK(bg_adam_step_on(g, &x, 1, NULL) == BG_OK);
    }
    CHECK(bg_optimiser(g, x, &steps) == BG_OPTIMISER_ADAM && steps == 3);
    CHECK(bg_has_moment(g, x, 0) && bg_has_moment(g, x, 1) && !bg_has_moment(g, x, 2));
    double value[2], mean[2], root[2];
    CHECK(bg_read(g, x, value, sizeof value) == BG_OK);
    CHECK(bg_read_moment(g, x, 0, mean, sizeof mean) == BG_OK);
    CHECK(bg_read_moment(g, x, 1, root, sizeof root) == BG_OK);
    CHECK(bg_write(g, y, value, sizeof value) == BG_OK);
    const void *moments[BG_MOMENTS] = {mean, root, NULL};
    CHECK(bg_set_optimiser(g, y, BG_OPTIMISER_ADAM, steps, moments, sizeof mean) == BG_OK);
    bg_node both[] = {x, y};
    for (int i = 0; i < 2; i++) {
        CHECK(bg_write_grad(g, both[i], (double[]){-1, 3}, 2 * sizeof(double)) == BG_OK);
    }
    CHECK(bg_adam_step_on(g, both, 2, NULL) == BG_OK);
    CHECK(bg_read(g, x, value, sizeof value) == BG_OK);
    IS(g, y, value[0], value[1]);
    CHECK(bg_optimiser(g, y, NULL) == BG_OPTIMISER_ADAM);
    CHECK(bg_read_moment(g, x, 2, mean, sizeof mean) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "read_moment: no optimiser keeps a moment 2 of n0");
    CHECK(bg_read_moment(g, x, 0, mean, 1) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "read_moment");
    CHECK(!bg_has_moment(g, x, -1));
    FAILS(g, BG_ERR_ARGUMENT, "has_moment: there is no moment -1: they count from 0 to 2");
    CHECK(bg_read_moment(g, x, -1, mean, sizeof mean) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "read_moment: there is no moment -1: they count from 0 to 2");
    CHECK(bg_set_optimiser(g, y, 99, 0, NULL, 0) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "set_optimiser: 99 is no optimiser");
    CHECK(bg_set_optimiser(g, y, BG_OPTIMISER_SGD, 0, moments, 8) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "set_optimiser");
    /* Bytes that no optimiser has left, at an odd address, too. */
    unsigned char bytes[sizeof mean + 1];
    memcpy(bytes + 1, (double[]){1, -1}, sizeof mean);
    moments[1] = bytes + 1;
    CHECK(bg_set_optimiser(g, y, BG_OPTIMISER_ADAM, 1, moments, sizeof mean) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "element 1 of moment 1 of n1 must be finite and at least 0, not -1");
    CHECK(bg_set_optimiser(g, y, BG_OPTIMISER_LION, 1, moments, sizeof mean) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "set_optimiser: this optimiser keeps no moment 1");
    moments[0] = (double[]){NAN, 0};
    CHECK(bg_set_optimiser(g, y, BG_OPTIMISER_SGD, 1, moments, sizeof mean) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "element 0 of moment 0 of n1 must be finite, not NaN");
    CHECK(bg_set_optimiser(g, y, BG_OPTIMISER_NONE, 1, moments, sizeof mean) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "set_optimiser: this optimiser keeps no moment 0");
    CHECK(bg_optimiser(g, y, &steps) == BG_OPTIMISER_ADAM && steps == 4);
    CHECK(bg_set_optimiser(g, y, BG_OPTIMISER_NONE, 5, NULL, 0) == BG_OK);
    CHECK(bg_optimiser(g, y, &steps) == BG_OPTIMISER_NONE && steps == 0);
    CHECK(bg_set_optimiser(g, y, BG_OPTIMISER_LION, 0, NULL, 0) == BG_OK);
    CHECK(bg_optimiser(g, y, NULL) == BG_OPTIMISER_LION && !bg_has_moment(g, y, 0));
    bg_graph_free(g);
}

/* Written and clipped. */
static void gradients(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){0, 0}, 2), y = bg_param_f32(g, (float[]){0}, 1);
    double norm = 0;
    CHECK(bg_write_grad(g, x, (double[]){3, -4}, 2 * sizeof(double)) == BG_OK);
    CHECK(bg_write_grad(g, y, (float[]){12}, sizeof(float)) == BG_OK);
    CHECK(bg_clip_grad_norm(g, INFINITY, &norm) == BG_OK && norm == 13);
    GRAD_IS(g, x, 3, -4);
    CHECK(bg_clip_grad_norm(g, 6.5, NULL) == BG_OK);
    NEAR(g, bg_grad_tensor(g, x), 1e-6, 1.5, -2);
    NEAR(g, bg_grad_tensor(g, y), 1e-6, 6);
    CHECK(bg_clip_grad_value(g, 1.75) == BG_OK);
    NEAR(g, bg_grad_tensor(g, x), 1e-6, 1.5, -1.75);
    GRAD_IS(g, y, 1.75);
    CHECK(bg_clip_grad_value_of(g, &x, 1, 1) == BG_OK);
    GRAD_IS(g, x, 1, -1);
    GRAD_IS(g, y, 1.75);
    CHECK(bg_clip_grad_norm_of(g, &y, 1, .5, &norm) == BG_OK && norm == 1.75);
    NEAR(g, bg_grad_tensor(g, y), 1e-6, .5);
    CHECK(bg_write_grad(g, x, (double[]){3, INFINITY}, 2 * sizeof(double)) == BG_OK);
    CHECK(bg_clip_grad_norm(g, 1, &norm) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "clip_grad_norm: the norm of the gradient of n0, [2], is inf");
    CHECK(bg_clip_grad_norm(g, -1, &norm) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "clip_grad_norm: the largest norm must be at least 0, not -1");
    CHECK(bg_clip_grad_value(g, NAN) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "clip_grad_value: the largest value must be at least 0, not NaN");
    CHECK(bg_write_grad(g, x, (double[]){3}, sizeof(double)) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "write_grad: n0, [2], takes 2 elements, and there are 1");
    CHECK(bg_write_grad(g, x, NULL, 2 * sizeof(double)) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "write_grad: a pointer is NULL");
    CHECK(bg_write_grad(g, bg_square(g, y), (float[]){1}, sizeof(float)) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "not a leaf");
    bg_graph_free(g);
}

/* SGD without momentum remembers nothing, and leaves what others remember. */
static void steps_without_a_state(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1}, 1);
    uint64_t steps = 7;
    CHECK(bg_backward(g, bg_sum_all(g, x)) == BG_OK && bg_sgd_step(g, NULL) == BG_OK);
    CHECK(bg_optimiser(g, x, &steps) == BG_OPTIMISER_NONE && steps == 0);
    CHECK(bg_adam_step(g, NULL) == BG_OK && bg_sgd_step(g, NULL) == BG_OK);
    CHECK(bg_optimiser(g, x, &steps) == BG_OPTIMISER_ADAM && steps == 1);
    bg_graph_free(g);
}

int main(void) {
    two_steps(momentum, .46, .92);
    two_steps(adam, .8004122, 1.8001665);
    two_steps(decay, .75 * .75, 2 * .75 * .75);
    two_steps(short_options, .8004122, 1.8001665);
    two_steps(plain, .98 * .98, 2 * .98 * .98);
    two_steps(nesterov, 0.2224, 0.4448);
    two_steps(dampened, 0.54, 1.08);
    two_steps(adamw, 0.798519027, 1.79627259);
    two_steps(adamw_default, 0.997980037, 1.99796002);
    two_steps(rmsprop, -0.502468577, 0.0411864186);
    two_steps(adagrad, 0.866551763, 1.86556253);
    two_steps(lion, (.9 - .1) * .9 - .1, (1.8 - .1) * .9 - .1);
    two_steps(amsgrad, .8006391627, 1.7980065512);
    two_steps(adamw_uphill, 1.1980355614, 2.1959980485);
    two_steps(uphill, 1.2 * 1.2, 2 * 1.2 * 1.2);
    two_steps(rmsprop_uphill, 2.8953228876, 3.8333332946);
    two_steps(adagrad_uphill, 1.1739940073, 2.1724137931);
    two_steps(lion_uphill, 1.2, 2.2);
    groups();
    states();
    steps_without_a_state();
    gradients();
    CHECK(is_near(bg_schedule_cosine(5, 10, .5, .1), .3, 1e-15));
    CHECK(bg_schedule_warm_up(2, 8, 0) == .25 && bg_schedule_warm_up(9, 8, 0) == 1);
    CHECK(bg_schedule_step(12, 6, .5) == .25 && bg_schedule_step(12, 0, .5) == 1);

    bg_graph *g = bg_graph_new();
    bg_adam_options unset = {0, 0, 0, 0, 0, 0, false, false};
    CHECK(bg_adam_step(g, NULL) == BG_OK);
    CHECK(bg_adam_step(g, &unset) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "adam_step: struct_size is 0");
    bg_sgd_options sgd = BG_SGD_OPTIONS_INIT;
    sgd.momentum = -.5;
    CHECK(bg_sgd_step(g, &sgd) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "sgd_step: the momentum must be at least 0 and finite, not -0.5");
    bg_adam_options adam = BG_ADAM_OPTIONS_INIT;
    adam.beta2 = 1;
    CHECK(bg_adam_step(g, &adam) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "adam_step: the second beta must be at least 0 and less than 1, not 1");
    adam.epsilon = NAN;
    CHECK(bg_adam_step(g, &adam) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "adam_step: the epsilon must be at least 0 and finite, not NaN");
    bg_graph_free(g);
    return failures != 0;
}
