/* The example that the README and the header show. */

#include <stdio.h>

#include "bumpgrad.h"

int main(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f32(g, (float[]){0, 1, 2, 3}, 4);
    bg_node y = bg_scale(g, bg_dot(g, x, x), 2.0);      /* y = 2 x.x */
    float dx[4];
    bg_backward(g, y);
    if (bg_read_grad(g, x, dx, sizeof dx) != BG_OK)      /* the only check */
        fprintf(stderr, "%s\n", bg_error_message(g));    /* else dx = 0 4 8 12 */
    bg_graph_free(g);
    return !(dx[0] == 0 && dx[1] == 4 && dx[2] == 8 && dx[3] == 12);
}
