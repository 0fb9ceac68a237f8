/* Two steps of each optimiser from [1, 2] with the loss sum p^2, against PyTorch's values. */

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
    bg_adam_options options = {offsetof(bg_adam_options, beta1), .1, NAN, NAN, NAN, NAN};
    return bg_adam_step(g, &options);
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

int main(void) {
    two_steps(momentum, .46, .92);
    two_steps(adam, .8004122, 1.8001665);
    two_steps(decay, .75 * .75, 2 * .75 * .75);
    two_steps(short_options, .8004122, 1.8001665);
    two_steps(plain, .98 * .98, 2 * .98 * .98);

    bg_graph *g = bg_graph_new();
    bg_adam_options unset = {0, 0, 0, 0, 0, 0};
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
