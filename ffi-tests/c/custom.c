/* Operations of one's own: twins of built-in ones, every failure, every misuse, and how long they live. */

#include "check.h"

/* What callbacks are told, and count. */
typedef struct {
    int forward, vjp, jvp, recorded, shapes, dropped;
    int fails; /* which of them fails: the letter of its name */
    const char *words;
    bg_graph *outer;
    bg_node node;
} counts;

static int32_t failure(const counts *user, int letter, char *message, size_t capacity) {
    if (user->fails != letter) {
        return 0;
    }
    if (user->words != NULL) {
        snprintf(message, capacity, "%s", user->words);
    }
    return -7;
}

/* y = x^3 */
static int32_t cube(void *user, const bg_custom_call *call) {
    counts *c = user;
    c->forward++;
    CHECK(call->struct_size == sizeof *call && call->outputs == NULL && call->cotangents == NULL);
    CHECK(call->num_inputs == 1 && call->num_outputs == 1 && call->tangents == NULL);
    const double *x = call->inputs[0].data;
    double *y = call->results[0].data;
    for (size_t i = 0; i < call->inputs[0].len; i++) {
        CHECK(y[i] == 0);
        y[i] = x[i] * x[i] * x[i];
    }
    return failure(c, 'f', call->message, call->message_capacity);
}

static int32_t cube_vjp(void *user, const bg_custom_call *call) {
    counts *c = user;
    c->vjp++;
    const double *x = call->inputs[0].data, *y = call->outputs[0].data;
    const double *g = call->cotangents[0].data;
    double *dx = call->results[0].data;
    for (size_t i = 0; i < call->inputs[0].len; i++) {
        CHECK(y[i] == x[i] * x[i] * x[i]);
        dx[i] = 3 * x[i] * x[i] * g[i];
    }
    return failure(c, 'v', call->message, call->message_capacity);
}

static int32_t cube_jvp(void *user, const bg_custom_call *call) {
    counts *c = user;
    c->jvp++;
    const double *x = call->inputs[0].data, *t = call->tangents[0].data;
    double *dy = call->results[0].data;
    for (size_t i = 0; i < call->inputs[0].len; i++) {
        dy[i] = 3 * x[i] * x[i] * t[i];
    }
    return failure(c, 'j', call->message, call->message_capacity);
}

static int32_t cube_shapes(void *user, const bg_shape_call *call) {
    counts *c = user;
    c->shapes++;
    CHECK(call->inputs[0].data == NULL && call->num_results == 1);
    CHECK(call->results[0].rank == call->inputs[0].rank);
    return failure(c, 's', call->message, call->message_capacity);
}

static int32_t cube_recorded(void *user, const bg_record_call *call) {
    counts *c = user;
    c->recorded++;
    bg_graph *g = call->graph;
    CHECK(call->num_inputs == 1 && call->num_outputs == 1 && bg_is_null(call->results[0]));
    if (c->outer != NULL) {
        /* The graph is lent: by its own name it is in use, and by the other one it only records. */
        double number;
        CHECK(bg_item(c->outer, c->node, &number) == BG_ERR_BUSY);
        CHECK(bg_is_null(bg_neg(c->outer, c->node)));
        double pair[2];
        CHECK(bg_read(g, call->inputs[0], pair, sizeof pair) == BG_ERR_BUSY);
        FAILS(g, BG_ERR_BUSY, "evaluation: the graph is lent to a callback");
        CHECK(bg_backward(g, call->inputs[0]) == BG_ERR_BUSY);
        FAILS(g, BG_ERR_BUSY, "backward: the graph is lent");
        bg_reset(g);
        FAILS(g, BG_ERR_BUSY, "reset: the graph is lent");
        CHECK(bg_rewind(g, bg_mark(g)) == BG_ERR_BUSY);
        FAILS(g, BG_ERR_BUSY, "rewind: the graph is lent");
        CHECK(bg_zero_grad(g, call->inputs[0]) == BG_ERR_BUSY);
        FAILS(g, BG_ERR_BUSY, "zero_grad: the graph is lent");
        bg_zero_grads(g);
        FAILS(g, BG_ERR_BUSY, "zero_grads: the graph is lent");
        CHECK(bg_write_grad(g, call->inputs[0], pair, sizeof pair) == BG_ERR_BUSY);
        FAILS(g, BG_ERR_BUSY, "write_grad: the graph is lent");
        CHECK(bg_clip_grad_norm(g, 1, NULL) == BG_ERR_BUSY);
        FAILS(g, BG_ERR_BUSY, "clip_grad_norm: the graph is lent");
        CHECK(bg_set_requires_grad(g, call->inputs[0], false) == BG_ERR_BUSY);
        FAILS(g, BG_ERR_BUSY, "set_requires_grad: the graph is lent");
        bg_graph_free(g); /* is left alone */
    }
    if (c->fails == 'n') {
        return 0; /* nothing is recorded */
    }
    if (c->fails == 'b') {
        call->results[0] = bg_sum_all(g, call->cotangents[0]);
        return 0;
    }
    if (c->fails == 'e') {
        call->results[0] = bg_add(g, call->cotangents[0], bg_zeros(g, BG_F64, (size_t[]){77}, 1));
        return 0;
    }
    bg_node slope = bg_scale(g, bg_square(g, call->inputs[0]), 3);
    call->results[0] = bg_mul(g, slope, call->cotangents[0]);
    return failure(c, 'r', call->message, call->message_capacity);
}

static void dropped(void *user) { ((counts *)user)->dropped++; }

static bg_custom cubes(counts *user) {
    bg_custom custom = BG_CUSTOM_INIT;
    custom.name = "cube";
    custom.forward = cube;
    custom.vjp = cube_vjp;
    custom.jvp = cube_jvp;
    custom.user = user;
    custom.drop = dropped;
    return custom;
}

static void values_and_gradients(void) {
    counts user = {0};
    bg_graph *g = bg_graph_new();
    bg_custom custom = cubes(&user);
    char name[] = "cube";
    custom.name = name;
    bg_op op;
    CHECK(bg_register(g, &custom, &op) == BG_OK);
    name[0] = 'x'; /* it was copied */
    bg_node x = bg_param_f64(g, (double[]){1, 2, -3}, 3), y = bg_apply(g, op, &x, 1);
    CHECK(user.forward == 0);
    IS(g, y, 1, 8, -27);
    CHECK(strcmp(bg_op_name(g, y), "cube") == 0);
    bg_node loss = bg_sum_all(g, y);
    CHECK(bg_backward(g, loss) == BG_OK);
    GRAD_IS(g, x, 3, 12, 27);
    CHECK(user.forward == 1 && user.vjp == 1);
    CHECK(bg_write(g, x, (double[]){2, 0, 1}, 3 * sizeof(double)) == BG_OK);
    IS(g, y, 8, 0, 1);
    CHECK(user.forward == 2);
    bg_node t = bg_vector_f64(g, (double[]){1, 1, 10}, 3), moved;
    CHECK(bg_jvp(g, &y, 1, &x, &t, 1, &moved) == BG_OK);
    IS(g, moved, 12, 0, 30);
    /* For each element of a batch, and of one of gradients. */
    bg_node ys[2] = {bg_apply(g, op, &x, 1)}, out[2];
    CHECK(bg_grad(g, bg_sum_all(g, ys[0]), BG_NULL, &x, 1, ys + 1, false) == BG_OK);
    bg_node batch = bg_tensor(g, BG_F64, (double[]){1, 2, 3, 4, 5, 6}, (size_t[]){2, 3}, 2);
    CHECK(bg_vmap(g, ys, 2, &x, &batch, 1, out) == BG_OK);
    IS(g, out[0], 1, 8, 27, 64, 125, 216);
    IS(g, out[1], 3, 12, 27, 48, 75, 108);
    /* What it lacks is said. */
    CHECK(bg_grad(g, bg_sum_all(g, ys[1]), BG_NULL, &x, 1, out, false) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "register cube with a vjp that is recorded");
    bg_reset(g);
    x = bg_param_f64(g, (double[]){3}, 1);
    IS(g, bg_apply(g, op, &x, 1), 27); /* a reset keeps operations */
    CHECK(user.dropped == 0);
    bg_graph_free(g);
    CHECK(user.dropped == 1);
}

static void recorded(void) {
    counts user = {0};
    bg_graph *g = bg_graph_new();
    bg_custom custom = cubes(&user);
    custom.recorded_vjp = cube_recorded;
    custom.flags = BG_CUSTOM_TAKES_BATCHES;
    bg_op op;
    CHECK(bg_register(g, &custom, &op) == BG_OK);
    bg_node x = bg_param_f64(g, (double[]){1, 2}, 2), y = bg_apply(g, op, &x, 1);
    bg_node loss = bg_sum_all(g, bg_square(g, y));
    user.outer = g;
    user.node = x;
    IS(g, bg_hessian(g, loss, x), 30, 0, 0, 480);
    CHECK(user.recorded > 0);
    user.outer = NULL;
    int before = user.recorded;
    CHECK(bg_backward(g, loss) == BG_OK);
    GRAD_IS(g, x, 6, 192);
    CHECK(user.recorded == before && user.vjp == 1); /* backward uses the numeric one */
    bg_node batch = bg_tensor(g, BG_F64, (double[]){1, 2, 3, 4}, (size_t[]){2, 2}, 2), out;
    bg_node hessian = bg_hessian(g, bg_sum_all(g, bg_apply(g, op, &x, 1)), x);
    CHECK(bg_vmap(g, &hessian, 1, &x, &batch, 1, &out) == BG_OK);
    IS(g, out, 6, 0, 0, 12, 18, 0, 0, 24);
    bg_graph_free(g);
    CHECK(user.dropped == 1);
}

/* Applies its operation again and differentiates that, so many times. */
static int32_t nested_recorded(void *user, const bg_record_call *call) {
    counts *c = user;
    c->recorded++;
    if (c->fails == 0) {
        call->results[0] = call->cotangents[0];
        return 0;
    }
    c->fails--;
    bg_node again = bg_apply(call->graph, call->op, call->inputs, 1);
    return bg_grad(call->graph, again, call->cotangents[0], call->inputs, 1, call->results, false);
}

static void recorded_within_itself(void) {
    for (int times = 15; times <= 17; times++) {
        counts user = {0};
        bg_graph *g = bg_graph_new();
        bg_custom custom = cubes(&user);
        custom.recorded_vjp = nested_recorded;
        custom.vjp = NULL;
        bg_op op;
        CHECK(bg_register(g, &custom, &op) == BG_OK);
        bg_node x = bg_param_f64(g, (double[]){1, 2}, 2), loss = bg_sum_all(g, bg_apply(g, op, &x, 1));
        user.fails = times;
        bool fits = times < 16;
        CHECK(bg_backward(g, loss) == (fits ? BG_OK : BG_ERR_LIMIT));
        CHECK(user.recorded == 16);
        if (!fits) {
            FAILS(g, BG_ERR_LIMIT, "cube: more than 16 vjps are recorded, each within the one before");
            user.fails = 0;
            CHECK(bg_backward(g, loss) == BG_OK);
        }
        GRAD_IS(g, x, 1, 1);
        bg_graph_free(g);
        CHECK(user.dropped == 1);
    }
}

static void failures_of_callbacks(void) {
    static const struct {
        int letter;
        const char *words, *told;
    } cases[] = {{'f', NULL, "cube: its forward failed: it returned -7"},
                 {'f', "no such\nnumber", "cube: its forward failed: no such number"},
                 {'v', "slope?", "cube: its vjp failed: slope?"},
                 {'j', "tangent?", "cube: its jvp failed: tangent?"},
                 {'s', "what a shape", "cube: what a shape"},
                 {'r', "not recorded", "cube: its vjp failed: not recorded"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        counts user = {0};
        bg_graph *g = bg_graph_new();
        bg_custom custom = cubes(&user);
        custom.shapes = cube_shapes;
        if (cases[i].letter == 'r') {
            custom.recorded_vjp = cube_recorded;
        }
        bg_op op;
        double number;
        CHECK(bg_register(g, &custom, &op) == BG_OK);
        bg_node x = bg_param_f64(g, (double[]){1, 2}, 2), y = bg_apply(g, op, &x, 1), out;
        bg_node loss = bg_sum_all(g, y);
        CHECK(bg_backward(g, loss) == BG_OK);
        for (int round = 0; round < 2; round++) {
            user.fails = round == 0 ? cases[i].letter : 0;
            user.words = cases[i].words;
            bg_status wanted = round == 0 ? BG_ERR_CALLBACK : BG_OK, status = BG_OK;
            CHECK(bg_write(g, x, (double[]){3, 4}, 2 * sizeof(double)) == BG_OK);
            switch (cases[i].letter) {
            case 'f':
            case 'v': status = bg_backward(g, loss); break;
            case 'j':
                status = bg_jvp(g, &loss, 1, &x, &x, 1, &out);
                status = status == BG_OK ? bg_read(g, out, &number, sizeof number) : status;
                break;
            case 's':
                out = bg_apply(g, op, &x, 1);
                CHECK(bg_is_null(out) == (round == 0));
                status = bg_last_status(g);
                break;
            case 'r': status = bg_grad(g, loss, BG_NULL, &x, 1, &out, false); break;
            }
            CHECK(status == wanted);
            if (round == 0) {
                FAILS(g, BG_ERR_CALLBACK, cases[i].told);
                GRAD_IS(g, x, 3, 12); /* as before */
            }
        }
        IS(g, y, 27, 64);
        bg_graph_free(g);
        CHECK(user.dropped == 1);
    }
}

static void recorded_wrongly(void) {
    counts user = {0};
    bg_graph *g = bg_graph_new();
    bg_custom custom = cubes(&user);
    custom.recorded_vjp = cube_recorded;
    custom.vjp = NULL;
    bg_op op;
    CHECK(bg_register(g, &custom, &op) == BG_OK);
    bg_node x = bg_param_f64(g, (double[]){1, 2}, 2), y = bg_apply(g, op, &x, 1);
    bg_node loss = bg_sum_all(g, y);
    user.fails = 'b';
    CHECK(bg_backward(g, loss) == BG_ERR_CALLBACK);
    FAILS(g, BG_ERR_CALLBACK, "cube: its vjp recorded a cotangent of f64 [] for input 0, which is f64 [2]");
    CHECK(bg_is_null(bg_hessian(g, loss, x)));
    FAILS(g, BG_ERR_CALLBACK, "hessian: cube: its vjp recorded a cotangent of f64 [] for input 0");
    user.fails = 'e';
    CHECK(bg_backward(g, loss) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "add: cannot broadcast [2] with [77]");
    user.fails = 'n';
    CHECK(bg_backward(g, loss) == BG_OK);
    GRAD_IS(g, x, 0, 0);
    user.fails = 0;
    /* (The plan of that backward is known: it is not recorded again for the same nodes.) */
    bg_reset(g);
    x = bg_param_f64(g, (double[]){1, 2}, 2);
    loss = bg_sum_all(g, bg_square(g, bg_apply(g, op, &x, 1)));
    CHECK(bg_backward(g, loss) == BG_OK);
    GRAD_IS(g, x, 6, 192);
    bg_graph_free(g);
    CHECK(user.dropped == 1);
}

/* Two results of different shapes, from two inputs: a sum of products, and a difference. */
static int32_t pair(void *user, const bg_custom_call *call) {
    (void)user;
    const double *a = call->inputs[0].data, *b = call->inputs[1].data;
    double *product = call->results[0].data, *difference = call->results[1].data;
    CHECK(call->results[0].rank == 0 && call->results[0].len == 1);
    for (size_t i = 0; i < call->inputs[0].len; i++) {
        *product += a[i] * b[i];
        difference[i] = a[i] - b[i];
    }
    return 0;
}

static int32_t pair_vjp(void *user, const bg_custom_call *call) {
    const double *product = call->cotangents[0].data, *difference = call->cotangents[1].data;
    for (int k = 0; k < 2; k++) {
        const double *other = call->inputs[1 - k].data;
        double *dx = call->results[k].data;
        *(int *)user += dx != NULL;
        for (size_t i = 0; dx != NULL && i < call->results[k].len; i++) {
            dx[i] = *product * other[i] + (k == 0 ? difference[i] : -difference[i]);
        }
    }
    return 0;
}

static int32_t pair_shapes(void *user, const bg_shape_call *call) {
    (void)user;
    if (call->num_inputs != 2) {
        snprintf(call->message, call->message_capacity, "2 inputs, not %zu", call->num_inputs);
        return 1;
    }
    call->results[0].rank = 0;
    return 0;
}

static void several_results(void) {
    bg_graph *g = bg_graph_new();
    bg_custom custom = BG_CUSTOM_INIT;
    int wanted = 0;
    custom.name = "pair";
    custom.num_results = 2;
    custom.shapes = pair_shapes;
    custom.forward = pair;
    custom.vjp = pair_vjp;
    custom.user = &wanted;
    bg_op op;
    CHECK(bg_register(g, &custom, &op) == BG_OK);
    bg_node xs[] = {bg_param_f64(g, (double[]){1, 2, 3}, 3), bg_vector_f64(g, (double[]){4, 5, 6}, 3)};
    bg_node out[3] = {xs[0], xs[0], xs[0]};
    CHECK(bg_apply_all(g, op, xs, 2, out, 3) == 2 && bg_is_null(out[2]));
    IS(g, out[0], 32);
    IS(g, out[1], -3, -3, -3);
    SHAPE_IS(g, out[1], 3);
    CHECK(bg_apply_all(g, op, xs, 2, NULL, 0) == 2);
    CHECK(bg_apply_all(g, op, xs, 1, out, 1) == 0 && bg_is_null(out[0]));
    FAILS(g, BG_ERR_CALLBACK, "pair: 2 inputs, not 1");
    CHECK(bg_apply_all(g, op, xs, 2, out, 2) == 2);
    /* Of one result alone: the cotangent of the other is 0. Only what has a gradient is wanted. */
    CHECK(bg_backward(g, bg_sum_all(g, bg_square(g, out[1]))) == BG_OK);
    GRAD_IS(g, xs[0], -6, -6, -6);
    CHECK(wanted == 1);
    CHECK(bg_is_null(bg_apply(g, op, xs, 2)));
    FAILS(g, BG_ERR_ARGUMENT, "pair: it has 2 results: use apply_all");
    bg_graph_free(g);
}

static int32_t bad_shapes(void *user, const bg_shape_call *call) {
    switch (*(int *)user) {
    case 0: call->results[0].rank = 9; break;
    case 1: call->results[0].dtype = 77; break;
    case 2: call->results[0].dims[0] = SIZE_MAX / 2; break;
    case 3: call->results[0].dtype = BG_F32; break;
    }
    return 0;
}

static void misuse(void) {
    counts user = {0};
    bg_graph *g = bg_graph_new(), *other = bg_graph_new();
    bg_custom custom = cubes(&user);
    bg_op op = {7, 7};
    int count = 0;
    /* Whatever is wrong, `drop` is called once. */
    CHECK(bg_register(NULL, &custom, &op) == BG_ERR_MEMORY && user.dropped == ++count);
    CHECK(op.id == 0 && op.tag == 0);
    CHECK(bg_register(g, &custom, NULL) == BG_ERR_ARGUMENT && user.dropped == ++count);
    FAILS(g, BG_ERR_ARGUMENT, "register: a pointer is NULL");
    CHECK(bg_register(g, NULL, &op) == BG_ERR_ARGUMENT && user.dropped == count);
    FAILS(g, BG_ERR_ARGUMENT, "register: a pointer is NULL");
    custom.name = NULL;
    CHECK(bg_register(g, &custom, &op) == BG_ERR_ARGUMENT && user.dropped == ++count);
    FAILS(g, BG_ERR_ARGUMENT, "register: a pointer is NULL");
    custom.name = "no name";
    CHECK(bg_register(g, &custom, &op) == BG_ERR_ARGUMENT && user.dropped == ++count);
    FAILS(g, BG_ERR_ARGUMENT, "custom: a name consists of 1 to 47 letters, digits and _, not \"no name\"");
    custom.name = "\xff";
    CHECK(bg_register(g, &custom, &op) == BG_ERR_ARGUMENT && user.dropped == ++count);
    FAILS(g, BG_ERR_ARGUMENT, "register: a text is not UTF-8");
    custom.name = "cube";
    custom.num_results = 0;
    CHECK(bg_register(g, &custom, &op) == BG_ERR_ARGUMENT && user.dropped == ++count);
    FAILS(g, BG_ERR_ARGUMENT, "custom: an operation has 1 to 64 results, not 0");
    custom.num_results = 1;
    custom.forward = NULL;
    CHECK(bg_register(g, &custom, &op) == BG_ERR_ARGUMENT && user.dropped == ++count);
    FAILS(g, BG_ERR_ARGUMENT, "register: cube needs a forward, not NULL");
    custom.forward = cube;
    custom.flags = 8;
    CHECK(bg_register(g, &custom, &op) == BG_ERR_ARGUMENT && user.dropped == ++count);
    FAILS(g, BG_ERR_ARGUMENT, "register: 8 has flags that no operation has");
    custom.flags = 0;
    custom.struct_size = 3; /* of such a struct nothing is known */
    CHECK(bg_register(g, &custom, &op) == BG_ERR_ARGUMENT && user.dropped == count);
    FAILS(g, BG_ERR_ARGUMENT, "register: struct_size is 3");
    custom.struct_size = sizeof custom;
    /* An error that is remembered comes first. */
    CHECK(bg_is_null(bg_neg(g, BG_NULL)));
    CHECK(bg_register(g, &custom, &op) == BG_ERR_HANDLE && user.dropped == ++count);
    bg_clear_error(g);

    CHECK(bg_register(g, &custom, &op) == BG_OK && user.dropped == count);
    bg_node x = bg_param_f64(g, (double[]){1, 2}, 2), single = bg_param_f32(g, (float[]){1}, 1);
    CHECK(bg_is_null(bg_apply(NULL, op, &x, 1)) && bg_apply_all(NULL, op, &x, 1, NULL, 0) == 0);
    CHECK(bg_is_null(bg_apply(g, op, NULL, 1)));
    FAILS(g, BG_ERR_ARGUMENT, "apply: a pointer is NULL");
    CHECK(bg_is_null(bg_apply(g, op, NULL, 0)));
    FAILS(g, BG_ERR_ARGUMENT, "cube: without operands its results have no shape");
    CHECK(bg_is_null(bg_apply(g, op, (bg_node[]){x, single}, 2)));
    FAILS(g, BG_ERR_DTYPE, "cube: operand 0 is f64 and operand 1 is f32: use cast");
    CHECK(bg_is_null(bg_apply(g, op, (bg_node[]){BG_NULL}, 1)));
    FAILS(g, BG_ERR_HANDLE, "cube: the handle is null");
    CHECK(bg_is_null(bg_apply(other, op, &x, 1)));
    FAILS(other, BG_ERR_HANDLE, "apply: the operation is of another graph");
    CHECK(bg_is_null(bg_apply(g, (bg_op){0, 0}, &x, 1)));
    FAILS(g, BG_ERR_HANDLE, "apply: the operation is null (registering it has failed)");
    CHECK(bg_is_null(bg_apply(g, (bg_op){op.id + 1, op.tag}, &x, 1)));
    FAILS(g, BG_ERR_HANDLE, "apply: the operation is of another graph");
    bg_node many[65];
    for (int i = 0; i < 65; i++) {
        many[i] = x;
    }
    CHECK(bg_is_null(bg_apply(g, op, many, 65)));
    FAILS(g, BG_ERR_LIMIT, "cube: 65 operands exceed the most, 64: concat them");

    static const char *const words[] = {"the shape of result 0 has no valid type, or a rank above 8",
                                        "the shape of result 0 has no valid type, or a rank above 8",
                                        "exceeds the address space", "result 0 is f32, and should be f64"};
    static const bg_status statuses[] = {BG_ERR_CALLBACK, BG_ERR_CALLBACK, BG_ERR_LIMIT, BG_ERR_DTYPE};
    for (int i = 0; i < 4; i++) {
        bg_custom bad = BG_CUSTOM_INIT;
        bg_op worse;
        bad.name = "bad";
        bad.forward = cube;
        bad.shapes = bad_shapes;
        bad.user = &i;
        CHECK(bg_register(g, &bad, &worse) == BG_OK);
        CHECK(bg_is_null(bg_apply(g, worse, &x, 1)));
        FAILS(g, statuses[i], words[i]);
    }
    /* It has no derivative: its result has no gradient. */
    custom.vjp = custom.jvp = NULL;
    custom.drop = NULL;
    CHECK(bg_register(g, &custom, &op) == BG_OK);
    bg_node flat = bg_sum_all(g, bg_apply(g, op, &x, 1));
    CHECK(!bg_requires_grad(g, flat) && bg_backward(g, flat) == BG_ERR_GRADIENT);
    bg_clear_error(g);
    char text[256];
    bg_why_no_grad(g, flat, x, text, sizeof text);
    CHECK(strstr(text, "cube [2] was registered without a derivative") != NULL);
    IS(g, flat, 9);
    bg_graph_free(g);
    bg_graph_free(other);
    CHECK(user.dropped == count + 1);
}

/* In a callback, the graph that called it is in use, and another one is not. */
static int32_t busy(void *user, const bg_custom_call *call) {
    counts *c = user;
    double number = 0;
    CHECK(bg_item(c->outer, c->node, &number) == BG_ERR_BUSY);
    CHECK(bg_is_null(bg_neg(c->outer, c->node)) && bg_node_count(c->outer) == 0);
    CHECK(strcmp(bg_error_message(c->outer), "the graph is in use by another call") == 0);
    bg_graph_free(c->outer); /* is left alone */
    bg_graph *other = bg_graph_new();
    bg_set_num_threads(other, 2);
    bg_node x = bg_param_f64(other, call->inputs[0].data, call->inputs[0].len);
    bg_node y = bg_sum_all(other, bg_square(other, x));
    CHECK(bg_backward(other, y) == BG_OK);
    CHECK(bg_read_grad(other, x, call->results[0].data, call->results[0].len * sizeof(double)) == BG_OK);
    bg_graph_free(other);
    return 0;
}

static void dropped_while_busy(void *user) {
    counts *c = user;
    double number;
    CHECK(bg_item(c->outer, c->node, &number) == BG_ERR_BUSY);
    bg_graph_free(c->outer);
    c->dropped++;
}

static void other_graphs(void) {
    for (int threads = 1; threads < 4; threads++) {
        counts user = {0};
        bg_graph *g = bg_graph_new();
        bg_set_num_threads(g, (size_t)threads);
        bg_custom custom = BG_CUSTOM_INIT;
        custom.name = "busy";
        custom.forward = busy;
        custom.user = &user;
        custom.drop = dropped_while_busy;
        bg_op op;
        CHECK(bg_register(g, &custom, &op) == BG_OK);
        bg_node large = bg_full(g, BG_F64, (size_t[]){300000}, 1, 1.5);
        user.node = bg_sin(g, bg_exp(g, large));
        user.outer = g;
        bg_node y = bg_apply(g, op, &user.node, 1);
        bg_node difference = bg_sub(g, y, bg_scale(g, user.node, 2));
        IS(g, bg_sum_all(g, bg_square(g, difference)), 0);
        bg_graph_free(g);
        CHECK(user.dropped == 1);
    }
}

static int32_t draw(void *user, const bg_custom_call *call) {
    *(double *)call->results[0].data = ++*(int *)user;
    return 0;
}

static int32_t scalar(void *user, const bg_shape_call *call) {
    (void)user;
    CHECK(call->num_inputs == 0 && call->results[0].dtype == BG_F64 && call->results[0].rank == 0);
    return 0;
}

static void impure(void) {
    int user = 0;
    bg_graph *g = bg_graph_new();
    bg_custom custom = BG_CUSTOM_INIT;
    custom.name = "draw";
    custom.forward = draw;
    custom.shapes = scalar;
    custom.user = &user;
    custom.flags = BG_CUSTOM_IMPURE;
    bg_op op;
    CHECK(bg_register(g, &custom, &op) == BG_OK);
    bg_node x = bg_param_f64(g, (double[]){2}, 1), y = bg_mul(g, x, bg_apply(g, op, NULL, 0));
    for (int round = 1; round < 5; round++) {
        bg_zero_grads(g);
        CHECK(bg_backward(g, bg_sum_all(g, y)) == BG_OK);
        IS(g, y, 2 * round);
        GRAD_IS(g, x, round);
        CHECK(user == round);
        bg_resample(g);
    }
    bg_graph_free(g);
}

int main(void) {
    values_and_gradients();
    recorded();
    recorded_within_itself();
    failures_of_callbacks();
    recorded_wrongly();
    several_results();
    misuse();
    other_graphs();
    impure();
    return failures != 0;
}
