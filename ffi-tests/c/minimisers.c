/* Searches for minima, of what is recorded and of functions of the caller's; and their misuse. */

#include "check.h"

/* NIST's Misra1a, from its first start: the eleven certified digits. */
static const double misra_x[] = {77.6,  114.9, 141.1, 190.8, 239.9, 289.0, 332.8,
                                 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0};
static const double misra_y[] = {10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02,
                                 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78};

static void check_misra(double b1, double b2, const bg_search_result *fit) {
    CHECK(fabs(b1 - 2.3894212918E+02) < 1e-8 && fabs(b2 - 5.5015643181E-04) < 1e-14);
    CHECK(fabs(fit->value - 1.2455138894E-01) < 1e-11);
    CHECK(fit->ended != BG_ENDED_ITERATIONS && fit->iterations > 3 && fit->gradient < 1e-12);
}

static void recorded_fit(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_vector_f64(g, misra_x, 14), y = bg_vector_f64(g, misra_y, 14);
    bg_node b[] = {bg_vector_f64(g, (double[]){500}, 1), bg_vector_f64(g, (double[]){.0001}, 1)};
    bg_node decay = bg_exp(g, bg_neg(g, bg_mul(g, b[1], x)));
    bg_node model = bg_mul(g, b[0], bg_sub(g, bg_ones(g, BG_F64, NULL, 0), decay));
    bg_search_result fit = BG_SEARCH_RESULT_INIT;
    CHECK(bg_levenberg_marquardt(g, bg_sub(g, model, y), b, 2, NULL, &fit) == BG_OK);
    double b1 = 0, b2 = 0;
    CHECK(bg_item(g, b[0], &b1) == BG_OK && bg_item(g, b[1], &b2) == BG_OK);
    check_misra(b1, b2, &fit);
    bg_levenberg_marquardt_options few = BG_LEVENBERG_MARQUARDT_OPTIONS_INIT;
    few.iterations = 2;
    CHECK(bg_write(g, b[0], (double[]){500}, sizeof b1) == BG_OK);
    CHECK(bg_levenberg_marquardt(g, bg_sub(g, model, y), b, 2, &few, &fit) == BG_OK);
    CHECK(fit.ended == BG_ENDED_ITERATIONS && fit.iterations == 2);
    /* Without the matrix: the same minimum. */
    bg_levenberg_marquardt_options products = BG_LEVENBERG_MARQUARDT_OPTIONS_INIT;
    products.matrix_free = true;
    bg_node p[] = {bg_param_f64(g, (double[]){250}, 1), bg_param_f64(g, (double[]){.0005}, 1)};
    decay = bg_exp(g, bg_neg(g, bg_mul(g, p[1], x)));
    bg_node rest = bg_sub(g, bg_mul(g, p[0], bg_sub(g, bg_ones(g, BG_F64, NULL, 0), decay)), y);
    CHECK(bg_levenberg_marquardt(g, rest, p, 2, &products, &fit) == BG_OK);
    CHECK(bg_item(g, p[0], &b1) == BG_OK && bg_item(g, p[1], &b2) == BG_OK);
    CHECK(fabs(b1 - 2.3894212918E+02) < 1e-8 && fabs(b2 - 5.5015643181E-04) < 1e-14);
    CHECK(bg_levenberg_marquardt(g, bg_sub(g, model, y), b, 2, &products, &fit) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "levenberg_marquardt");
    CHECK(bg_levenberg_marquardt(g, x, b, 2, NULL, NULL) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "levenberg_marquardt: parameter 0");
    few.radius = 0;
    CHECK(bg_levenberg_marquardt(g, model, b, 2, &few, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "levenberg_marquardt: the radius must be above 0, not 0");
    CHECK(bg_levenberg_marquardt(g, model, b, 0, NULL, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "levenberg_marquardt: there must be a parameter");
    bg_graph_free(g);
}

static int32_t misra(void *user, const double *b, double *residuals, double *jacobian) {
    *(int *)user += 1;
    for (int i = 0; i < 14; i++) {
        double decay = exp(-b[1] * misra_x[i]);
        residuals[i] = b[0] * (1 - decay) - misra_y[i];
        if (jacobian != NULL) {
            jacobian[2 * i] = 1 - decay;
            jacobian[2 * i + 1] = b[0] * misra_x[i] * decay;
        }
    }
    return 0;
}

static int32_t failing_residuals(void *user, const double *b, double *out, double *jacobian) {
    (void)user, (void)b;
    out[0] = 1;
    return jacobian == NULL ? 0 : -7;
}

static void fit_of_a_function(void) {
    bg_graph *g = bg_graph_new();
    double b[] = {500, .0001};
    int calls = 0;
    bg_search_result fit = BG_SEARCH_RESULT_INIT;
    CHECK(bg_levenberg_marquardt_function(g, b, 2, 14, misra, &calls, NULL, &fit) == BG_OK);
    check_misra(b[0], b[1], &fit);
    CHECK((size_t)calls > fit.evaluations);
    double x[] = {3};
    CHECK(bg_levenberg_marquardt_function(g, x, 1, 1, failing_residuals, NULL, NULL, NULL) ==
          BG_ERR_CALLBACK);
    FAILS(g, BG_ERR_CALLBACK, "levenberg_marquardt: a function of the caller's returned -7");
    CHECK(x[0] == 3);
    bg_levenberg_marquardt_options products = BG_LEVENBERG_MARQUARDT_OPTIONS_INIT;
    products.matrix_free = true;
    CHECK(bg_levenberg_marquardt_function(g, b, 2, 14, misra, &calls, &products, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "without one, residuals must be recorded");
    CHECK(bg_levenberg_marquardt_function(g, x, 1, 1, NULL, NULL, NULL, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "levenberg_marquardt: a pointer is NULL");
    bg_graph_free(g);
}

typedef bg_status search_function(bg_graph *g, bg_node loss, const bg_node *xs, size_t n,
                                  bg_search_result *result);

static bg_status by_lbfgs(bg_graph *g, bg_node loss, const bg_node *xs, size_t n, bg_search_result *out) {
    return bg_lbfgs(g, loss, xs, n, NULL, out);
}

static bg_status by_region(bg_graph *g, bg_node loss, const bg_node *xs, size_t n, bg_search_result *out) {
    bg_trust_region_options options = BG_TRUST_REGION_OPTIONS_INIT;
    return bg_trust_region(g, loss, xs, n, &options, out);
}

/* Rosenbrock's function, and what is wrong. */
static void recorded_search(search_function *search, const char *name) {
    bg_graph *g = bg_graph_new();
    bg_node x[] = {bg_param_f64(g, (double[]){-1.2}, 1), bg_param_f64(g, (double[]){1}, 1)};
    bg_node one = bg_ones(g, BG_F64, NULL, 0);
    bg_node a = bg_square(g, bg_sub(g, one, x[0]));
    bg_node b = bg_square(g, bg_sub(g, x[1], bg_square(g, x[0])));
    bg_node loss = bg_add(g, a, bg_scale(g, b, 100));
    bg_search_result found = BG_SEARCH_RESULT_INIT;
    CHECK(search(g, loss, x, 2, &found) == BG_OK);
    CHECK(found.ended == BG_ENDED_GRADIENT && found.gradient <= 1e-8 && found.value < 1e-12);
    CHECK(found.iterations > 5 && found.iterations < 60 && found.evaluations > found.iterations);
    NEAR(g, x[0], 1e-7, 1);
    NEAR(g, x[1], 1e-7, 1);
    CHECK(search(g, loss, x, 2, NULL) == BG_OK);
    char words[100];
    snprintf(words, sizeof words, "%s: n0 is in the list more than once", name);
    CHECK(search(g, loss, (bg_node[]){x[0], x[0]}, 2, &found) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, words);
    CHECK(search(g, loss, NULL, 2, &found) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "a pointer is NULL");
    CHECK(search(g, loss, &loss, 1, &found) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "not a leaf");
    CHECK(search(g, a, x, 2, &found) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "is not used");
    bg_node many = bg_param_f64(g, (double[]){1, 2}, 2);
    CHECK(search(g, bg_square(g, many), &many, 1, &found) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "what is minimised must be a single element");
    CHECK(search(g, BG_NULL, x, 2, &found) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, name);
    found.struct_size = 1;
    CHECK(search(g, loss, x, 2, &found) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "struct_size is 1");
    CHECK(search(NULL, loss, x, 2, NULL) == BG_ERR_MEMORY);
    bg_graph_free(g);
}

/* A function that is computed in the graph with which the search was called. */
typedef struct {
    bg_graph *g;
    bg_node x, loss, tangent, product;
    int stop_after;
} recording;

static int32_t loss_of(void *user, const double *x, double *gradient, double *value) {
    recording *r = user;
    if (r->stop_after-- == 0) {
        return 42;
    }
    bg_write(r->g, r->x, x, 2 * sizeof *x);
    bg_zero_grad(r->g, r->x);
    bg_backward(r->g, r->loss);
    bg_item(r->g, r->loss, value);
    return bg_read_grad(r->g, r->x, gradient, 2 * sizeof *x) == BG_OK ? 0 : 1;
}

static int32_t product_of(void *user, const double *x, const double *v, double *out) {
    recording *r = user;
    bg_write(r->g, r->x, x, 2 * sizeof *x);
    bg_write(r->g, r->tangent, v, 2 * sizeof *v);
    return bg_read(r->g, r->product, out, 2 * sizeof *out) == BG_OK ? 0 : 1;
}

static void search_of_a_function(void) {
    bg_graph *g = bg_graph_new();
    recording r = {g, bg_param_f64(g, (double[]){0, 0}, 2), BG_NULL, BG_NULL, BG_NULL, -1};
    bg_node wanted = bg_vector_f64(g, (double[]){2, -3}, 2);
    r.loss = bg_sum_all(g, bg_sub(g, bg_exp(g, bg_sub(g, r.x, wanted)), r.x));
    r.tangent = bg_vector_f64(g, (double[]){0, 0}, 2);
    r.product = bg_mul(g, bg_exp(g, bg_sub(g, r.x, wanted)), r.tangent);
    bg_search_result found = BG_SEARCH_RESULT_INIT;
    double x[] = {1, 1};
    CHECK(bg_lbfgs_function(g, x, 2, loss_of, &r, NULL, &found) == BG_OK);
    CHECK(found.ended == BG_ENDED_GRADIENT);
    CHECK(is_near(x[0], 2, 1e-7) && is_near(x[1], -3, 1e-7));
    double y[] = {1, 1};
    CHECK(bg_trust_region_function(g, y, 2, loss_of, product_of, &r, NULL, &found) == BG_OK);
    CHECK(found.ended == BG_ENDED_GRADIENT);
    CHECK(is_near(y[0], 2, 1e-7) && is_near(y[1], -3, 1e-7));
    double z[] = {5, 5};
    r.stop_after = 2;
    CHECK(bg_lbfgs_function(g, z, 2, loss_of, &r, NULL, &found) == BG_ERR_CALLBACK);
    FAILS(g, BG_ERR_CALLBACK, "lbfgs: a function of the caller's returned 42");
    r.stop_after = 1;
    CHECK(bg_trust_region_function(g, z, 2, loss_of, product_of, &r, NULL, &found) ==
          BG_ERR_CALLBACK);
    FAILS(g, BG_ERR_CALLBACK, "trust_region: a function of the caller's returned 42");
    CHECK(z[0] == 5 && z[1] == 5);
    CHECK(bg_trust_region_function(g, z, 2, loss_of, NULL, &r, NULL, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "trust_region: a pointer is NULL");
    CHECK(bg_lbfgs_function(g, NULL, 2, loss_of, &r, NULL, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "lbfgs: a pointer is NULL");
    bg_lbfgs_options options = BG_LBFGS_OPTIONS_INIT;
    options.gradient_tolerance = NAN;
    CHECK(bg_lbfgs_function(g, z, 2, loss_of, &r, &options, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "lbfgs: the gradient tolerance must be at least 0, not NaN");
    /* What the graph remembers from inside comes first. */
    r.x = BG_NULL;
    r.stop_after = -1;
    CHECK(bg_lbfgs_function(g, z, 2, loss_of, &r, NULL, NULL) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "write");
    CHECK(bg_lbfgs_function(NULL, z, 2, loss_of, &r, NULL, NULL) == BG_ERR_MEMORY);
    CHECK(bg_levenberg_marquardt_function(NULL, z, 2, 2, misra, NULL, NULL, NULL) == BG_ERR_MEMORY);
    bg_graph_free(g);
}

/* A bowl around (2, -3), between bounds; and a slope without an end. */
static int32_t bowl(void *user, const double *x, double *gradient, double *value) {
    (void)user;
    gradient[0] = 2 * (x[0] - 2);
    gradient[1] = 2 * (x[1] + 3);
    *value = (x[0] - 2) * (x[0] - 2) + (x[1] + 3) * (x[1] + 3);
    return 0;
}

static void bounds(void) {
    bg_graph *g = bg_graph_new();
    double lower[] = {0, -1, 7}, upper[] = {1, INFINITY, 9}, x[] = {5, 5};
    bg_lbfgs_options options = BG_LBFGS_OPTIONS_INIT;
    bg_search_result found = BG_SEARCH_RESULT_INIT;
    options.lower = lower;
    options.upper = upper;
    options.bounds = 2;
    CHECK(bg_lbfgs_function(g, x, 2, bowl, NULL, &options, &found) == BG_OK);
    CHECK(x[0] == 1 && x[1] == -1 && found.ended == BG_ENDED_GRADIENT && found.gradient == 0);
    bg_node p[] = {bg_param_f64(g, (double[]){-5}, 1), bg_param_f64(g, (double[]){5, 5}, 2)};
    bg_node loss = bg_add(g, bg_sum_all(g, bg_square(g, bg_add_scalar(g, p[0], -3))),
                          bg_sum_all(g, bg_square(g, p[1])));
    options.bounds = 3;
    CHECK(bg_lbfgs(g, loss, p, 2, &options, &found) == BG_OK);
    IS(g, p[0], 1);
    IS(g, p[1], 0, 7);
    options.upper = NULL;
    CHECK(bg_lbfgs(g, loss, (bg_node[]){p[1], p[0]}, 2, &options, &found) == BG_OK);
    NEAR(g, p[0], 1e-7, 7);
    NEAR(g, p[1], 1e-7, 0, 0);
    options.bounds = 2;
    CHECK(bg_lbfgs(g, loss, p, 2, &options, &found) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "lbfgs: there are 2 lower bounds, and 3 variables");
    options.bounds = 0;
    CHECK(bg_lbfgs(g, loss, p, 2, &options, &found) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "lbfgs: there are bounds, and `bounds` says 0");
    options.bounds = 2;
    lower[1] = INFINITY;
    CHECK(bg_lbfgs_function(g, x, 2, bowl, NULL, &options, &found) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "lbfgs: the bounds of variable 1 are inf and inf");
    CHECK(x[0] == 1 && x[1] == -1);

    bg_node q = bg_param_f64(g, (double[]){1}, 1);
    CHECK(bg_lbfgs(g, bg_sum_all(g, bg_scale(g, q, 2)), &q, 1, NULL, &found) == BG_OK);
    CHECK(found.ended == BG_ENDED_UNBOUNDED && found.value < -1e17 && found.iterations == 1);
    q = bg_param_f64(g, (double[]){1}, 1);
    CHECK(bg_trust_region(g, bg_sum_all(g, bg_scale(g, q, 2)), &q, 1, NULL, &found) == BG_OK);
    CHECK(found.ended == BG_ENDED_UNBOUNDED && found.value < -1e17);
    bg_graph_free(g);
}

/* A function that frees the graph in whose search it is. */
static int32_t freeing(void *user, const double *x, double *gradient, double *value) {
    bg_graph_free(user);
    return bowl(NULL, x, gradient, value);
}

static void free_in_a_search(void) {
    bg_graph *g = bg_graph_new();
    double x[] = {5, 5};
    CHECK(bg_lbfgs_function(g, x, 2, freeing, g, NULL, NULL) == BG_ERR_BUSY);
    FAILS(g, BG_ERR_BUSY, "graph_free: a function that a search of this graph calls must not free it");
    CHECK(bg_lbfgs_function(g, x, 2, bowl, NULL, NULL, NULL) == BG_OK);
    bg_node y = bg_param_f64(g, x, 2);
    NEAR(g, y, 1e-7, 2, -3);
    bg_graph_free(g);
}

int main(void) {
    recorded_fit();
    fit_of_a_function();
    recorded_search(by_lbfgs, "lbfgs");
    recorded_search(by_region, "trust_region");
    search_of_a_function();
    bounds();
    free_in_a_search();
    return failures != 0;
}
