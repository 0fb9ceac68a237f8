/* What every introduction to automatic differentiation shows, in nine short lessons. Each claim is
 * checked where it is made.
 *
 * examples/tutorial.rs is the same program in Rust; it draws pictures, too. */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bumpgrad.h"

/* Ends the program unless this holds, whatever NDEBUG says. */
#define CHECK(condition) check(condition, #condition, __LINE__)

static void check(bool holds, const char *claim, int line)
{
    if (!holds) {
        fprintf(stderr, "tutorial.c:%d: %s\n", line, claim);
        exit(EXIT_FAILURE);
    }
}

/* ---- small helpers ---- */

static bg_node vector4(bg_graph *g)
{
    return bg_param_f64(g, (double[]){0, 1, 2, 3}, 4);
}

/* The only element; NaN after an error, which is then remembered. */
static double item(bg_graph *g, bg_node x)
{
    double value = NAN;
    bg_item(g, x, &value);
    return value;
}

/* These n numbers, to within a relative tolerance. */
static bool near(bg_graph *g, bg_node x, double tolerance, const double *wanted, size_t n)
{
    const double *found = bg_data(g, x);
    if (found == NULL || bg_len(g, x) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(fabs(found[i] - wanted[i]) <= tolerance * fabs(wanted[i])))
            return false;
    return true;
}

/* The largest size of an element. */
static double largest(bg_graph *g, bg_node x)
{
    return item(g, bg_amax_all(g, bg_abs(g, x)));
}

static void show(bg_graph *g, const char *what, bg_node x)
{
    printf("%s", what);
    bg_print(g, x);
}

/* ---- the lessons ---- */

/* The gradient of 2 x.x is 4 x, whether x is a column or a vector. */
static void first_gradient(void)
{
    printf("1. The gradient of 2 x.x\n");
    char text[2][64];
    const double wanted[] = {0, 4, 8, 12};
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param(g, BG_F64, (double[]){0, 1, 2, 3}, (size_t[]){4, 1}, 2);
    bg_node y = bg_scale(g, bg_matmul(g, bg_transpose(g, x, 0, 1), x), 2.0);
    bg_backward(g, y);
    bg_node dx = bg_grad_tensor(g, x);
    bg_format(g, y, text[0], sizeof text[0]);
    bg_format(g, dx, text[1], sizeof text[1]);
    printf("column: y = %s, dy/dx =\n%s\n", text[0], text[1]);
    CHECK(item(g, y) == 28);
    CHECK(bg_rank(g, dx) == 2 && near(g, dx, 0, wanted, 4));

    x = vector4(g);
    y = bg_scale(g, bg_dot(g, x, x), 2.0);
    bg_backward(g, y);
    dx = bg_grad_tensor(g, x);
    bg_format(g, y, text[0], sizeof text[0]);
    bg_format(g, dx, text[1], sizeof text[1]);
    printf("vector: y = %s, dy/dx = %s\n", text[0], text[1]);
    CHECK(item(g, y) == 28);
    CHECK(near(g, dx, 0, wanted, 4));
    CHECK(bg_last_status(g) == BG_OK); /* of all calls since the graph was made */
    bg_graph_free(g);
}

/* The derivative of the sine, for which nobody needs to know the cosine. */
static void sine(void)
{
    printf("\n2. The sine and its derivative\n");
    bg_graph *g = bg_graph_new();
    bg_node x = bg_linspace(g, BG_F64, -10.0, 10.0, 401);
    bg_set_requires_grad(g, x, true);
    bg_node y = bg_sin(g, x);
    /* Each y depends on its own x only, so the gradient of the sum holds all derivatives. */
    bg_backward(g, bg_sum_all(g, y));
    bg_node dx = bg_grad_tensor(g, x);
    printf("at 0: %.6f\n", item(g, bg_select(g, dx, 0, 200)));
    CHECK(item(g, bg_select(g, dx, 0, 200)) == 1);
    /* It is the sine a quarter of a turn ahead, and what the difference quotient comes to. */
    bg_node ahead = bg_sin(g, bg_add_scalar(g, x, 1.5707963267948966));
    bg_node rise = bg_sub(g, bg_sin(g, bg_add_scalar(g, x, 1e-5)), bg_sin(g, bg_add_scalar(g, x, -1e-5)));
    bg_node quotient = bg_scale(g, rise, 1 / 2e-5);
    CHECK(largest(g, bg_sub(g, dx, ahead)) < 1e-14);
    CHECK(largest(g, bg_sub(g, dx, quotient)) < 1e-9);
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

/* ln(x^2) sin x + 1/x: what was recorded, and the derivative beside the one from a book. */
static void function(void)
{
    printf("\n3. ln(x^2) sin x + 1/x\n");
    bg_graph *g = bg_graph_new();
    bg_node x = bg_linspace(g, BG_F64, -10.0, 10.0, 400); /* without 0 */
    bg_set_label(g, x, "x");
    bg_set_requires_grad(g, x, true);
    bg_node logarithm = bg_log(g, bg_mul(g, x, x));
    bg_node wave = bg_mul(g, logarithm, bg_sin(g, x));
    bg_node f = bg_add(g, wave, bg_reciprocal(g, x));
    bg_set_label(g, f, "f");
    /* The recording is the graph of dependencies: as text, and as a drawing for Graphviz. */
    bg_print_graph(g, BG_TEXT);
    char dot[2048];
    CHECK(bg_format_graph(g, dot, sizeof dot, BG_DOT) < sizeof dot);
    CHECK(strncmp(dot, "digraph", 7) == 0);
    int arrows = 0;
    for (const char *at = dot; (at = strstr(at, " -> ")) != NULL; at++)
        arrows++;
    CHECK(arrows == 9);

    bg_backward(g, bg_sum_all(g, f));
    bg_node dx = bg_grad_tensor(g, x);
    bg_node by_hand = bg_scale(g, bg_div(g, bg_sin(g, x), x), 2.0);
    by_hand = bg_add(g, by_hand, bg_mul(g, logarithm, bg_cos(g, x)));
    by_hand = bg_sub(g, by_hand, bg_reciprocal(g, bg_square(g, x)));
    bg_node size = bg_add_scalar(g, bg_abs(g, by_hand), 1.0);
    bool same = largest(g, bg_div(g, bg_sub(g, dx, by_hand), size)) < 1e-14;
    printf("the derivative by hand is the same to 14 digits: %s\n", same ? "true" : "false");
    CHECK(same);
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

/* Doubles 2 x until it is long, and makes it a hundred times longer if its sum is not positive. Which
 * operations are recorded is decided by values: reading them is all that it takes. */
static bg_node doubled(bg_graph *g, bg_node x)
{
    bg_node y = bg_scale(g, x, 2.0);
    while (item(g, bg_norm(g, y, 2.0, NULL, 0, false)) < 1000)
        y = bg_scale(g, y, 2.0);
    return item(g, bg_sum_all(g, y)) > 0 ? y : bg_scale(g, y, 100.0);
}

/* Loops and branches of the program are differentiated by what they did. */
static void control_flow(void)
{
    printf("\n4. Control flow\n");
    static const double points[][2] = {
        {.1136, 16384}, {1.2009, 1024}, {-.1136, 1638400}, {-.7, 204800}};
    bg_graph *g = bg_graph_new();
    bg_node a = bg_param_f64(g, (double[]){0}, 1);
    bg_place mark = bg_mark(g);
    for (int i = 0; i < 4; i++) {
        /* Other points may take other ways, so each is recorded anew, and dropped. */
        double point = points[i][0];
        bg_write(g, a, &point, sizeof point);
        bg_node y = doubled(g, a), slope;
        bg_grad(g, y, BG_NULL, &a, 1, &slope, false);
        printf("at %7.4f: f = %12.4f, slope %.0f\n", point, item(g, y), item(g, slope));
        CHECK(item(g, slope) == points[i][1]);
        CHECK(item(g, slope) == item(g, y) / point); /* f is linear there */
        bg_rewind(g, mark);
    }
    CHECK(bg_node_count(g) == 1); /* all but the leaf was dropped */
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

/* A tensor has no gradient but for a weighing of its elements, the head gradient: the result is that
 * vector times the Jacobian, which is never made. */
static void heads(void)
{
    printf("\n5. Head gradients\n");
    bg_graph *g = bg_graph_new();
    bg_node x = vector4(g);
    bg_node z = bg_mul(g, bg_scale(g, x, 2.0), x);
    bg_backward_with(g, z, bg_vector_f64(g, (double[]){10, 1, .1, .01}, 4));
    bg_node dx = bg_grad_tensor(g, x);
    show(g, "2 x^2 weighed by 10, 1, .1, .01: ", dx);
    CHECK(near(g, dx, 1e-15, (double[]){0, 4, .8, .12}, 4));
    CHECK(bg_last_status(g) == BG_OK);
    CHECK(bg_backward(g, z) == BG_ERR_GRADIENT);
    const char *refused = strstr(bg_error_message(g), "grad can be");
    CHECK(refused != NULL && strstr(refused, "only for scalar outputs") != NULL);
    printf("without weights: %.*s\n", (int)strcspn(refused, ":"), refused);
    bg_clear_error(g);

    x = bg_param_f64(g, (double[]){.5, -.3, .2}, 3);
    bg_node y = doubled(g, x), v = bg_vector_f64(g, (double[]){.1, 1, .0001}, 3), vjp;
    bg_vjp(g, &y, &v, 1, &x, 1, &vjp, false);
    show(g, "doubled until long, by .1, 1, .0001: ", vjp);
    CHECK(near(g, vjp, 0, (double[]){204.8, 2048, .2048}, 3)); /* 2^11 v */
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

/* Backward adds to gradients until they are zeroed. */
static void accumulation(void)
{
    printf("\n6. Gradients add up\n");
    bg_graph *g = bg_graph_new();
    bg_node x = vector4(g);
    CHECK(!bg_has_grad(g, x)); /* before the first backward there is none */
    bg_backward(g, bg_scale(g, bg_dot(g, x, x), 2.0));
    show(g, "2 x.x: ", bg_grad_tensor(g, x));
    bg_backward(g, bg_sum_all(g, x));
    show(g, "and the sum: ", bg_grad_tensor(g, x));
    CHECK(near(g, bg_grad_tensor(g, x), 0, (double[]){1, 5, 9, 13}, 4));
    bg_zero_grads(g);
    bg_backward(g, bg_sum_all(g, x));
    show(g, "the sum alone: ", bg_grad_tensor(g, x));
    CHECK(near(g, bg_grad_tensor(g, x), 0, (double[]){1, 1, 1, 1}, 4));
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

/* bg_detach is the same value, taken for a constant. */
static void detached(void)
{
    printf("\n7. Detach\n");
    bg_graph *g = bg_graph_new();
    bg_node x = vector4(g);
    bg_node u = bg_detach(g, bg_mul(g, x, x));
    bg_backward(g, bg_sum_all(g, bg_mul(g, u, x)));
    bg_node dx = bg_grad_tensor(g, x);
    show(g, "x^2 detached, times x: ", dx);
    CHECK(near(g, dx, 0, (double[]){0, 1, 4, 9}, 4)); /* u, not 3 x^2 */
    char why[256];
    CHECK(bg_why_no_grad(g, bg_sum_all(g, u), x, why, sizeof why) > 0);
    printf("%s\n", why);
    /* It follows the leaf all the same. */
    bg_write(g, x, (double[]){2, 2, 2, 2}, 4 * sizeof(double));
    CHECK(near(g, u, 0, (double[]){4, 4, 4, 4}, 4));
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

/* What is recorded between these two calls requires no gradients. */
static void without_gradients(void)
{
    printf("\n8. No gradients\n");
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1}, 1);
    bg_no_grad_begin(g);
    bg_node y = bg_pow_scalar(g, x, 2.0);
    printf("inside: %s\n", bg_requires_grad(g, y) ? "true" : "false");
    CHECK(!bg_requires_grad(g, y));
    CHECK(bg_requires_grad(g, vector4(g))); /* a leaf has its own setting */
    bg_no_grad_end(g);
    y = bg_pow_scalar(g, x, 2.0);
    printf("outside: %s\n", bg_requires_grad(g, y) ? "true" : "false");
    CHECK(bg_requires_grad(g, y));
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

/* Dropout works in training mode only. Values that are recorded follow the mode. */
static void training_and_evaluation(void)
{
    printf("\n9. Training and evaluation\n");
    bg_graph *g = bg_graph_new();
    bg_node x = bg_ones(g, BG_F64, (size_t[]){1000}, 1);
    bg_set_requires_grad(g, x, true);
    bg_node mean = bg_mean_all(g, bg_dropout(g, x, 0.5));
    CHECK(bg_training(g));
    printf("training: %.3f\n", item(g, mean));
    CHECK(fabs(item(g, mean) - 1) < .15); /* half are 0, and half are 2 */
    bg_backward(g, mean);
    double gradient[1000], kept = 0;
    bg_read_grad(g, x, gradient, sizeof gradient);
    for (int i = 0; i < 1000; i++)
        kept += gradient[i] != 0;
    CHECK(kept / 500 == item(g, mean)); /* gradients go through what was kept */
    bg_set_training(g, false);
    printf("evaluation: %.3f\n", item(g, mean));
    CHECK(item(g, mean) == 1);
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

static int32_t round_through(void *user, const bg_custom_call *call)
{
    (void)user;
    const double *x = call->inputs[0].data;
    double *y = call->results[0].data;
    for (size_t i = 0; i < call->inputs[0].len; i++)
        y[i] = round(x[i]);
    return 0;
}

static int32_t round_through_vjp(void *user, const bg_custom_call *call)
{
    (void)user;
    size_t bytes = call->results[0].len * sizeof(double);
    memcpy(call->results[0].data, call->cotangents[0].data, bytes);
    return 0;
}

/* A function with a backward of its own: here the rounding of a number, which has no slope worth the name,
 * with the slope of what it rounds ("straight through"). */
static void custom_function(void)
{
    printf("\n10. A custom function with its own backward\n");
    bg_graph *g = bg_graph_new();
    bg_custom rounding = BG_CUSTOM_INIT;
    rounding.name = "round_through";
    rounding.forward = round_through;
    rounding.vjp = round_through_vjp;
    bg_op op;
    CHECK(bg_register(g, &rounding, &op) == BG_OK);
    bg_node x = bg_param_f64(g, (double[]){0.2, 1.6, -2.7}, 3), y = bg_apply(g, op, &x, 1);
    double values[3], gradient[3];
    bg_node squares = bg_sum_all(g, bg_square(g, y)), slope, again;
    printf("values: ");
    bg_print(g, y);
    CHECK(bg_read(g, y, values, sizeof values) == BG_OK);
    CHECK(values[0] == 0 && values[1] == 2 && values[2] == -3);
    CHECK(bg_backward(g, squares) == BG_OK && bg_read_grad(g, x, gradient, sizeof gradient) == BG_OK);
    printf("gradient: ");
    bg_print(g, bg_grad_tensor(g, x));
    CHECK(gradient[0] == 0 && gradient[1] == 4 && gradient[2] == -6); /* 2 y, not 0 */
    /* Numbers cannot be differentiated again: for that, a vjp is recorded. */
    CHECK(bg_grad(g, squares, BG_NULL, &x, 1, &slope, false) == BG_OK);
    CHECK(bg_grad(g, bg_sum_all(g, slope), BG_NULL, &x, 1, &again, false) == BG_ERR_GRADIENT);
    printf("again: %s\n", bg_error_message(g));
    bg_graph_free(g);
}

int main(void)
{
    first_gradient();
    sine();
    function();
    control_flow();
    heads();
    accumulation();
    detached();
    without_gradients();
    training_and_evaluation();
    custom_function();
    return EXIT_SUCCESS;
}
