/* Every operation on one case of PyTorch's: its value, and its gradients by backward. */

#include "check.h"

#include "golden.h"

static bool close_to(double a, double b) {
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-12 * fmax(1, fabs(b));
}

/* Compares an f64 tensor's elements with numbers. */
static void compare(bg_graph *g, const char *name, const char *what, bg_node x, const double *want,
                    size_t n) {
    bg_node wide = bg_cast(g, x, BG_F64);
    const double *data = bg_data(g, wide);
    if (data == NULL || bg_len(g, wide) != n) {
        fprintf(stderr, "%s: %s: %zu elements, not %zu: %s\n", name, what, bg_len(g, wide), n,
                bg_error_message(g));
        failures++;
        bg_clear_error(g);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (!close_to(data[i], want[i])) {
            fprintf(stderr, "%s: %s %zu is %.17g, not %.17g\n", name, what, i, data[i], want[i]);
            failures++;
            return;
        }
    }
}

static void run(const golden *test) {
    bg_graph *g = bg_graph_new();
    bg_node x[16];
    bg_node y = test->call(g, x);
    if (bg_is_null(y) || bg_last_status(g) != BG_OK) {
        fprintf(stderr, "%s: %s\n", test->name, bg_error_message(g));
        failures++;
    } else if (test->values > 0) {
        const double *numbers = test->numbers;
        compare(g, test->name, "value", y, numbers, test->values);
        numbers += test->values;
        if (test->gradients > 0) {
            size_t dims[BG_MAX_RANK];
            CHECK(bg_shape(g, y, dims, BG_MAX_RANK) == BG_OK);
            bg_node head = bg_tensor(g, BG_F64, numbers, dims, (size_t)bg_rank(g, y));
            head = bg_cast(g, head, bg_dtype(g, y));
            numbers += test->values;
            CHECK(bg_backward_with(g, y, head) == BG_OK);
            for (size_t i = 0; i < test->operands; i++) {
                if (bg_requires_grad(g, x[i])) {
                    bg_node slope = bg_grad_tensor(g, x[i]);
                    compare(g, test->name, "gradient", slope, numbers, bg_len(g, x[i]));
                    numbers += bg_len(g, x[i]);
                }
            }
        }
    }
    bg_graph_free(g);
}

int main(void) {
    for (size_t i = 0; i < sizeof GOLDEN / sizeof *GOLDEN; i++) {
        run(&GOLDEN[i]);
    }
    return failures > 0;
}
