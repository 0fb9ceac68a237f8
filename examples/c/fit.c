/* A nonlinear regression: Rat43 of NIST's Statistical Reference Datasets, onion growth by a curve of four
 * parameters, from far away.
 *
 *     make lib
 *     gcc -Iinclude examples/c/fit.c target/capi/lib/libbumpgrad.a -lm -lpthread -ldl -o fit && ./fit
 */

#include <math.h>
#include <stdio.h>

#include "bumpgrad.h"

static const double weights[15] = {16.08,  33.83,  65.80,  97.20,  191.55, 326.20, 386.87, 520.53,
                                   590.03, 651.92, 724.93, 699.56, 689.96, 637.56, 717.41};
static const double start[4] = {100, 10, 1, 1};
static const double certified[4] = {6.9964151270E+02, 5.2771253025E+00, 7.5962938329E-01,
                                    1.2792483859E+00};

int main(void) {
    bg_graph *g = bg_graph_new();
    double days[15];
    for (int i = 0; i < 15; i++) {
        days[i] = 1 + i;
    }
    bg_node x = bg_vector_f64(g, days, 15), y = bg_vector_f64(g, weights, 15), b[4];
    for (int i = 0; i < 4; i++) {
        b[i] = bg_vector_f64(g, &start[i], 1);
    }
    /* b1 / (1 + exp(b2 - b3 x))^(1 / b4) */
    bg_node wave = bg_exp(g, bg_sub(g, b[1], bg_mul(g, b[2], x)));
    bg_node below = bg_pow(g, bg_add_scalar(g, wave, 1), bg_reciprocal(g, b[3]));
    bg_node residuals = bg_sub(g, bg_div(g, b[0], below), y);

    bg_search_result fit = BG_SEARCH_RESULT_INIT;
    if (bg_levenberg_marquardt(g, residuals, b, 4, NULL, &fit) != BG_OK) {
        fprintf(stderr, "%s\n", bg_error_message(g));
        return 1;
    }
    printf("%zu steps, sum of squares %.10e\n", fit.iterations, fit.value);
    int wrong = 0;
    for (int i = 0; i < 4; i++) {
        double found = 0;
        bg_item(g, b[i], &found);
        printf("b%d %.10e, certified %.10e\n", i + 1, found, certified[i]);
        wrong += !(fabs(found - certified[i]) <= 1e-10 * certified[i]);
    }
    bg_graph_free(g);
    return wrong;
}
