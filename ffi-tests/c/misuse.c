/* Everything that can be called wrongly is a status with a message that helps, and the graph goes
 * on afterwards. */

#include "check.h"

static void without_a_graph(void) {
    double item;
    size_t dims[1];
    bg_memory memory = BG_MEMORY_INIT;
    bg_node x = bg_param_f32(NULL, (float[]){1}, 1), out;
    CHECK(bg_is_null(x) && bg_is_null(bg_add(NULL, x, x)) && bg_is_null(bg_sum_all(NULL, x)));
    CHECK(bg_is_null(bg_concat(NULL, &x, 1, 0)) && bg_is_null(bg_grad_tensor(NULL, x)));
    CHECK(bg_backward(NULL, x) == BG_ERR_MEMORY && bg_item(NULL, x, &item) == BG_ERR_MEMORY);
    CHECK(bg_read(NULL, x, &item, sizeof item) == BG_ERR_MEMORY && bg_data(NULL, x) == NULL);
    CHECK(bg_grad(NULL, x, BG_NULL, &x, 1, &out, true) == BG_ERR_MEMORY && bg_is_null(out));
    CHECK(bg_shape(NULL, x, dims, 1) == BG_ERR_MEMORY && bg_rank(NULL, x) == -1);
    CHECK(bg_len(NULL, x) == 0 && bg_dtype(NULL, x) == 0 && bg_op_name(NULL, x) == NULL);
    CHECK(bg_memory_stats(NULL, &memory) == BG_ERR_MEMORY && bg_node_count(NULL) == 0);
    CHECK(bg_rewind(NULL, bg_mark(NULL)) == BG_ERR_MEMORY && bg_sgd_step(NULL, NULL) == BG_ERR_MEMORY);
    CHECK(!bg_has_grad(NULL, x) && !bg_requires_grad(NULL, x) && !bg_training(NULL));
    CHECK(bg_format(NULL, x, NULL, 0) == 0 && bg_print(NULL, x) == BG_ERR_MEMORY);
    CHECK(bg_last_status(NULL) == BG_ERR_MEMORY);
    CHECK(strstr(bg_error_message(NULL), "the graph is NULL") != NULL);
    bg_clear_error(NULL);
    bg_reset(NULL);
    bg_set_seed(NULL, 1);
    bg_no_grad_begin(NULL);
    bg_no_grad_end(NULL);
    bg_graph_free(NULL);
}

static void handles(void) {
    bg_graph *g = bg_graph_new(), *other = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1, 2}, 2);
    bg_node foreign = bg_param_f64(other, (double[]){1, 2}, 2);

    bg_add(g, x, BG_NULL);
    FAILS(g, BG_ERR_HANDLE, "add: the handle is null");
    bg_add(g, foreign, x);
    FAILS(g, BG_ERR_HANDLE, "add: the handle n0 is not valid here: it is of another graph");
    bg_node forged[] = {{0, 12345}, {99, x.tag}, {UINT32_MAX, x.tag}, {UINT32_MAX, UINT32_MAX}};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        CHECK(bg_is_null(bg_exp(g, forged[i])));
        FAILS(g, BG_ERR_HANDLE, "exp: the handle");
        CHECK(bg_backward(g, forged[i]) == BG_ERR_HANDLE);
        FAILS(g, BG_ERR_HANDLE, "backward: the handle");
        CHECK(bg_rank(g, forged[i]) == -1);
        FAILS(g, BG_ERR_HANDLE, "rank: the handle");
        CHECK(bg_len(g, forged[i]) == 0);
        FAILS(g, BG_ERR_HANDLE, "len: the handle");
        CHECK(!bg_has_grad(g, forged[i]));
        FAILS(g, BG_ERR_HANDLE, "has_grad: the handle");
        CHECK(bg_set_requires_grad(g, forged[i], true) == BG_ERR_HANDLE);
        FAILS(g, BG_ERR_HANDLE, "set_requires_grad: the handle");
    }

    bg_place mark = bg_mark(g), foreign_mark = bg_mark(other), forged_mark = mark;
    bg_node dropped = bg_square(g, x);
    CHECK(bg_rewind(g, mark) == BG_OK);
    bg_node later = bg_exp(g, x); /* has the id that `dropped` had */
    CHECK(later.id == dropped.id && bg_is_null(bg_neg(g, dropped)));
    FAILS(g, BG_ERR_HANDLE, "dropped by a rewind or reset");
    CHECK(bg_rewind(g, foreign_mark) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "rewind: the mark was not made by bg_mark with this graph");
    forged_mark.lists = 0;
    CHECK(bg_rewind(g, forged_mark) == BG_ERR_HANDLE);
    bg_clear_error(g);
    bg_place newer = bg_mark(g);
    CHECK(bg_rewind(g, mark) == BG_OK && bg_rewind(g, newer) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "rewind: ");
    IS(g, x, 1, 2);
    bg_graph_free(other);
    bg_graph_free(g);
}

static void the_first_error_stays(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1, 2}, 2), y = bg_vector_f64(g, (double[]){1, 2, 3}, 3);
    double out[2];
    bg_node sum = bg_add(g, x, y);
    CHECK(bg_is_null(sum) && bg_is_null(bg_exp(g, sum)));
    CHECK(bg_backward(g, bg_sum_all(g, sum)) == BG_ERR_SHAPE);
    CHECK(bg_read(g, x, out, sizeof out) == BG_ERR_SHAPE && bg_data(g, x) == NULL);
    CHECK(bg_write(g, x, (double[]){5, 5}, sizeof out) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "add: cannot broadcast [2] with [3]: axis 0 is 2 and 3");
    IS(g, x, 1, 2);
    CHECK(bg_set_label(g, x, "weights") == BG_OK);
    bg_add(g, x, y);
    FAILS(g, BG_ERR_SHAPE, "\"weights\" [2]");
    bg_matmul(g, x, y);
    FAILS(g, BG_ERR_SHAPE, "matmul: cannot multiply \"weights\" [2] by [3]: the inner lengths");
    CHECK(bg_write(g, x, out, 3) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "write: the tensor \"weights\" [2] of type f64 has 16 bytes, not 3");
    CHECK(bg_set_label(g, x, "two\r\nlines") == BG_OK);
    bg_add(g, x, y);
    FAILS(g, BG_ERR_SHAPE, "add: cannot broadcast \"two  lines\" [2] with [3]");

    bg_no_grad_begin(g);
    bg_add(g, x, y);
    bg_no_grad_end(g); /* acts though an error is remembered */
    bg_clear_error(g);
    CHECK(bg_requires_grad(g, bg_exp(g, x)));
    bg_no_grad_end(g);
    FAILS(g, BG_ERR_ARGUMENT, "no_grad_end: there is no no_grad_begin to end");
    bg_no_grad_begin(g);
    bg_reset(g);
    x = bg_param_f64(g, (double[]){1, 2}, 2);
    CHECK(bg_requires_grad(g, bg_exp(g, x))); /* a reset ends no_grad, too */
    bg_graph_free(g);
}

/* Lists and results of the caller's may lie at any address. */
static void anywhere(void) {
    bg_graph *g = bg_graph_new();
    static char room[256];
    for (size_t at = 0; at < 16; at++) {
        char *p = room + at;
        size_t dims[2] = {2, 3}, found[2] = {0, 0};
        int64_t flat[2] = {-1, 2};
        int32_t order[2] = {1, 0};
        double item = 0, data[6] = {1, 2, 3, 4, 5, 6};
        char *data_at = p + 128;
        memcpy(data_at, data, sizeof data);
        memcpy(p, dims, sizeof dims);
        bg_node x = bg_param(g, BG_F64, data_at, (size_t *)(void *)p, 2);
        memcpy(p, flat, sizeof flat);
        bg_node y = bg_reshape(g, x, (int64_t *)(void *)p, 2);
        SHAPE_IS(g, y, 3, 2);
        memcpy(p, order, sizeof order);
        SHAPE_IS(g, bg_permute(g, x, (int32_t *)(void *)p, 2), 3, 2);
        IS(g, bg_sum(g, x, (int32_t *)(void *)p, 2, false), 21);
        bg_node both[2] = {x, x};
        memcpy(p, both, sizeof both);
        SHAPE_IS(g, bg_concat(g, (bg_node *)(void *)p, 2, 0), 4, 3);
        CHECK(bg_shape(g, x, (size_t *)(void *)p, 2) == BG_OK);
        memcpy(found, p, sizeof found);
        CHECK(found[0] == 2 && found[1] == 3);
        bg_node total = bg_sum_all(g, x), dx;
        CHECK(bg_item(g, total, (double *)(void *)p) == BG_OK);
        memcpy(&item, p, sizeof item);
        CHECK(item == 21);
        memcpy(p, &x, sizeof x);
        bg_node *xs = (bg_node *)(void *)p, *out = (bg_node *)(void *)(p + 64);
        CHECK(bg_grad(g, total, BG_NULL, xs, 1, out, false) == BG_OK);
        memcpy(&dx, out, sizeof dx);
        IS(g, dx, 1, 1, 1, 1, 1, 1);
        memcpy(p, &total, sizeof total);
        memcpy(p + 64, &(bg_node){0, 0}, sizeof total);
        CHECK(bg_backward_many(g, xs, out, 1) == BG_OK);
        CHECK(bg_read_grad(g, x, data_at, sizeof data) == BG_OK);
        bg_sgd_options options = BG_SGD_OPTIONS_INIT;
        memcpy(p, &options, sizeof options);
        CHECK(bg_sgd_step(g, (bg_sgd_options *)(void *)p) == BG_OK);
        CHECK(bg_read(g, x, data_at, sizeof data) == BG_OK);
    }
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

/* A size that no struct has is refused, whichever struct it is. */
static void struct_sizes(void) {
    bg_graph *g = bg_graph_new();
    const size_t nonsense[] = {0, 1, sizeof(size_t), 2 * sizeof(size_t) - 1, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        bg_options options = BG_OPTIONS_INIT;
        bg_sgd_options sgd = BG_SGD_OPTIONS_INIT;
        bg_adam_options adam = BG_ADAM_OPTIONS_INIT;
        bg_memory memory = BG_MEMORY_INIT;
        bg_rmsprop_options rmsprop = BG_RMSPROP_OPTIONS_INIT;
        bg_adagrad_options adagrad = BG_ADAGRAD_OPTIONS_INIT;
        bg_lion_options lion = BG_LION_OPTIONS_INIT;
        rmsprop.struct_size = adagrad.struct_size = lion.struct_size = nonsense[i];
        options.struct_size = sgd.struct_size = adam.struct_size = memory.struct_size = nonsense[i];
        CHECK(bg_sgd_step(g, &sgd) == BG_ERR_ARGUMENT);
        FAILS(g, BG_ERR_ARGUMENT, "which no struct has: start from its _INIT macro");
        CHECK(bg_adam_step(g, &adam) == BG_ERR_ARGUMENT);
        FAILS(g, BG_ERR_ARGUMENT, "struct_size");
        CHECK(bg_rmsprop_step(g, &rmsprop) == BG_ERR_ARGUMENT);
        FAILS(g, BG_ERR_ARGUMENT, "struct_size");
        CHECK(bg_adagrad_step(g, &adagrad) == BG_ERR_ARGUMENT);
        FAILS(g, BG_ERR_ARGUMENT, "struct_size");
        CHECK(bg_lion_step(g, &lion) == BG_ERR_ARGUMENT);
        FAILS(g, BG_ERR_ARGUMENT, "struct_size");
        CHECK(bg_memory_stats(g, &memory) == BG_ERR_ARGUMENT);
        FAILS(g, BG_ERR_ARGUMENT, "struct_size");
        bg_graph *other = bg_graph_new_with(&options);
        FAILS(other, BG_ERR_ARGUMENT, "struct_size");
        bg_graph_free(other);
    }
    bg_graph_free(g);
}

/* What can be set can be asked for, also of no graph. */
static void settings(void) {
    bg_options options = BG_OPTIONS_INIT;
    options.seed = 7;
    options.memory_limit = 1 << 26;
    bg_graph *g = bg_graph_new_with(&options);
    const bg_graph *readable = g, *none = NULL;
    CHECK(bg_seed(readable) == 7 && bg_memory_limit(readable) == 1 << 26);
    CHECK(bg_fusion(readable) && bg_training(readable) && !bg_is_no_grad(readable));
    bg_set_seed(g, UINT64_MAX);
    bg_set_memory_limit(g, 0);
    bg_set_fusion(g, false);
    bg_set_training(g, false);
    bg_set_num_threads(g, 3);
    bg_no_grad_begin(g);
    CHECK(bg_seed(readable) == UINT64_MAX && bg_memory_limit(readable) == 0);
    CHECK(!bg_fusion(readable) && !bg_training(readable) && bg_is_no_grad(readable));
    CHECK(bg_num_threads(readable) == 3);
    CHECK(bg_seed(none) == 0 && bg_memory_limit(none) == 0 && bg_num_threads(none) == 0);
    CHECK(!bg_fusion(none) && !bg_training(none) && !bg_is_no_grad(none));
    bg_graph_free(g);
}

static void sizes_and_types(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1, 2}, 2), f = bg_vector_f32(g, (float[]){1, 2}, 2);
    bg_node i = bg_vector_i64(g, (int64_t[]){0, 1}, 2);
    double out[4];
    size_t dims[BG_MAX_RANK + 1] = {1, 1, 1, 1, 1, 1, 1, 1, 1};

    CHECK(bg_read(g, x, out, sizeof(float) * 2) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "read: the tensor [2] of type f64 has 16 bytes, not 8");
    CHECK(bg_read(g, x, NULL, sizeof(double) * 2) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "read: a pointer is NULL");
    CHECK(bg_write(g, x, out, 24) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "write: ");
    CHECK(bg_write(g, bg_exp(g, x), out, 16) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "is the result of exp, not a leaf");
    CHECK(bg_read_grad(g, x, out, 16) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "read_grad: n0 has no gradient");
    CHECK(bg_is_null(bg_grad_tensor(g, x)));
    FAILS(g, BG_ERR_GRADIENT, "grad_tensor: n0 has no gradient");
    CHECK(bg_item(g, x, out) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "item: a tensor of shape [2] is not a single element");
    CHECK(bg_item(g, x, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "NULL");
    CHECK(bg_shape(g, x, dims, 0) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "shape: [2] does not fit in 0 places");
    CHECK(bg_retain_grad(g, f) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "retain_grad");

    bg_add(g, x, f);
    FAILS(g, BG_ERR_DTYPE, "add: operands are f64 and f32: use cast");
    bg_exp(g, i);
    FAILS(g, BG_ERR_DTYPE, "exp: needs an operand of type f32 or f64, not i64");
    bg_cast(g, x, 5);
    FAILS(g, BG_ERR_ARGUMENT, "cast: 5 is no element type");
    bg_zeros(g, -1, dims, 1);
    FAILS(g, BG_ERR_ARGUMENT, "zeros: -1 is no element type");
    bg_param(g, BG_I64, (int64_t[]){1}, (size_t[]){1}, 1);
    FAILS(g, BG_ERR_GRADIENT, "only f32 and f64 tensors can require gradients, not i64");
    CHECK(bg_set_requires_grad(g, i, true) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "only tensors of floating point type can require gradients");
    bg_where(g, x, x, x);
    FAILS(g, BG_ERR_DTYPE, "where: the mask must be u8, not f64");
    bg_index_select(g, x, 0, bg_vector_i64(g, (int64_t[]){2}, 1));
    CHECK(bg_last_status(g) == BG_OK); /* the data are looked at when the value is */
    CHECK(bg_data(g, bg_index_select(g, x, 0, bg_vector_i64(g, (int64_t[]){2}, 1))) == NULL);
    FAILS(g, BG_ERR_INDEX, "index_select: index 2");

    bg_param_f64(g, NULL, 3);
    FAILS(g, BG_ERR_ARGUMENT, "param: a pointer is NULL");
    bg_tensor(g, BG_F32, out, NULL, 1);
    FAILS(g, BG_ERR_ARGUMENT, "tensor: a pointer is NULL");
    bg_sum(g, x, NULL, 1, false);
    FAILS(g, BG_ERR_ARGUMENT, "sum: a pointer is NULL");
    bg_concat(g, NULL, 2, 0);
    FAILS(g, BG_ERR_ARGUMENT, "concat: a pointer is NULL");
    bg_concat(g, &x, SIZE_MAX, 0);
    FAILS(g, BG_ERR_ARGUMENT, "concat: a list of");
    bg_concat(g, NULL, 0, 0);
    FAILS(g, BG_ERR_ARGUMENT, "concat: needs an operand");
    bg_zeros(g, BG_F32, dims, BG_MAX_RANK + 1);
    FAILS(g, BG_ERR_LIMIT, "zeros: a list of 9 axes exceeds the largest rank, 8");
    CHECK(!bg_is_null(bg_zeros(g, BG_F32, dims, BG_MAX_RANK)));
    bg_sum(g, x, (int32_t[]){1}, 1, false);
    FAILS(g, BG_ERR_ARGUMENT, "sum: axis 1 is outside of -1 to 0 for a tensor of rank 1");
    bg_slice(g, x, 0, 0, 1, 0);
    FAILS(g, BG_ERR_ARGUMENT, "slice: the step must be at least 1, not 0");
    bg_full(g, BG_U8, dims, 1, 256);
    FAILS(g, BG_ERR_ARGUMENT, "full: u8 holds whole numbers from 0 to 255, not 256");
    bg_full(g, BG_I64, dims, 1, NAN);
    FAILS(g, BG_ERR_ARGUMENT, "full: i64 holds whole numbers from -2^63 to 2^63 - 1, not NaN");
    bg_full(g, BG_I64, dims, 1, 9223372036854775808.0);
    FAILS(g, BG_ERR_ARGUMENT, "full: i64 holds whole numbers");
    IS(g, bg_full(g, BG_I64, dims, 1, -9223372036854775808.0), -9223372036854775808.0);
    bg_mse(g, x, bg_reshape(g, x, (int64_t[]){2, 1}, 2));
    FAILS(g, BG_ERR_SHAPE, "mse: needs tensors of one shape, not [2] and [2, 1]");
    CHECK(bg_set_label(g, x, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "NULL");
    CHECK(bg_set_label(g, x, "\xff") == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "set_label: the label is not UTF-8");
    CHECK(bg_print_graph(g, 2) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "2 is no format");
    bg_graph_free(g);
}

static void shapes_beyond_memory(void) {
    bg_graph *g = bg_graph_new();
    size_t huge[] = {SIZE_MAX, SIZE_MAX}, hidden[] = {0, SIZE_MAX, 2}, large[] = {SIZE_MAX / 64};
    bg_zeros(g, BG_F32, huge, 2);
    FAILS(g, BG_ERR_LIMIT, "zeros: a tensor of shape");
    bg_zeros(g, BG_F32, hidden, 3);
    FAILS(g, BG_ERR_LIMIT, "exceeds the address space");
    bg_zeros(g, BG_U8, large, 1);
    FAILS(g, BG_ERR_MEMORY, "zeros: out of memory");
    bg_param_f64(g, (double[]){1}, SIZE_MAX);
    FAILS(g, BG_ERR_LIMIT, "param: a tensor of shape");
    bg_arange(g, BG_F64, 0, 1e300, 1);
    FAILS(g, BG_ERR_LIMIT, "arange: ");
    bg_eye(g, BG_F64, SIZE_MAX / 2, 3);
    FAILS(g, BG_ERR_LIMIT, "eye: ");
    bg_node one = bg_ones(g, BG_F64, (size_t[]){1}, 1);
    bg_reshape(g, one, (int64_t[]){INT64_MIN, -1}, 2);
    FAILS(g, BG_ERR_SHAPE, "reshape: ");
    bg_expand(g, one, (int64_t[]){INT64_MAX, INT64_MAX}, 2);
    FAILS(g, BG_ERR_LIMIT, "expand: ");
    bg_expand(g, one, (int64_t[]){-2}, 1);
    FAILS(g, BG_ERR_SHAPE, "expand: ");
    bg_node wide = bg_expand(g, one, (int64_t[]){INT64_C(1) << 50}, 1);
    CHECK(bg_data(g, bg_exp(g, wide)) == NULL);
    FAILS(g, BG_ERR_MEMORY, "evaluation: out of memory");
    CHECK(bg_slice(g, one, 0, INT64_MIN, INT64_MAX, INT64_MAX).tag != 0);
    CHECK(bg_last_status(g) == BG_OK);
    bg_graph_free(g);
}

static void nothing_at_all(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, NULL, 0);
    double nothing[1];
    CHECK(!bg_is_null(x) && bg_len(g, x) == 0);
    CHECK(bg_read(g, bg_exp(g, x), nothing, 0) == BG_OK && bg_read(g, x, NULL, 0) == BG_OK);
    CHECK(bg_write(g, x, NULL, 0) == BG_OK);
    IS(g, bg_sum_all(g, x), 0);
    IS(g, bg_prod(g, x, NULL, 0, false), 1);
    IS(g, bg_mean_all(g, x), NAN);
    IS(g, bg_logsumexp(g, x, NULL, 0, false), -INFINITY);
    CHECK(bg_backward(g, bg_sum_all(g, bg_square(g, x))) == BG_OK);
    CHECK(bg_read_grad(g, x, NULL, 0) == BG_OK);
    bg_max(g, x, NULL, 0, false);
    FAILS(g, BG_ERR_SHAPE, "max: [0] has no element along the reduced axes");
    bg_node tall = bg_zeros(g, BG_F64, (size_t[]){2, 0}, 2);
    IS(g, bg_matmul(g, tall, bg_transpose(g, tall, 0, 1)), 0, 0, 0, 0);
    CHECK(bg_backward_many(g, NULL, NULL, 0) == BG_OK);
    CHECK(bg_format(g, x, NULL, 0) == strlen("[]"));
    bg_graph_free(g);
}

static void structs_without_their_size(void) {
    bg_options options = {0, 0, 0};
    bg_memory memory = {0, 0, 0, 0, 0, 0};
    bg_graph *g = bg_graph_new_with(&options);
    FAILS(g, BG_ERR_ARGUMENT, "graph_new_with: struct_size is 0");
    CHECK(bg_memory_stats(g, &memory) == BG_ERR_ARGUMENT && memory.pooled == 0);
    FAILS(g, BG_ERR_ARGUMENT, "memory_stats: struct_size is 0, which no struct has: start from its _INIT macro");
    bg_graph_free(g);
}

static void memory_budget(void) {
    bg_planned_memory planned = BG_PLANNED_MEMORY_INIT, none = {0, 0, 0, 0, 0, 0, 0};
    bg_graph *g = bg_graph_new(), *other = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1, 2}, 2), foreign = bg_param_f64(other, (double[]){1}, 1);
    bg_place begin = bg_mark(g);
    bg_node y = bg_sum_all(g, bg_square(g, x));
    CHECK(bg_plan_memory(g, y, NULL) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "plan_memory: a pointer is NULL");
    CHECK(bg_plan_memory(g, y, &none) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "plan_memory: struct_size is 0");
    CHECK(bg_plan_memory(g, foreign, &planned) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "plan_memory: ");
    CHECK(bg_plan_memory_backward(g, NULL, NULL, 1, &planned) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "plan_memory_backward: a pointer is NULL");
    CHECK(bg_plan_memory_backward(g, &y, &foreign, 1, &planned) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "plan_memory_backward: ");
    CHECK(bg_plan_memory_backward(g, &x, NULL, 1, &planned) == BG_ERR_GRADIENT);
    bg_clear_error(g);
    planned.struct_size = offsetof(bg_planned_memory, kept); /* as of an older header */
    planned.kept = 77;
    CHECK(bg_plan_memory(g, y, &planned) == BG_OK && planned.live > 0 && planned.kept == 77);
    CHECK(bg_checkpoint(g, bg_mark(other), &y, 1) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "checkpoint: the mark was not made by bg_mark with this graph");
    CHECK(bg_checkpoint(g, begin, NULL, 1) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "checkpoint: a pointer is NULL");
    CHECK(bg_checkpoint(g, begin, &foreign, 1) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "checkpoint: ");
    CHECK(bg_checkpoint(g, begin, NULL, 0) == BG_OK && bg_checkpoint(g, begin, &y, 1) == BG_OK);
    bg_place late = bg_mark(g);
    CHECK(bg_rewind(g, begin) == BG_OK && bg_checkpoint(g, late, NULL, 0) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "checkpoint: the mark is of another graph or of nodes already dropped");
    bg_set_memory_budget(NULL, 1);
    CHECK(bg_memory_budget(NULL) == 0 && bg_plan_memory(NULL, y, &planned) == BG_ERR_MEMORY);
    CHECK(bg_plan_memory_backward(NULL, &y, NULL, 1, &planned) == BG_ERR_MEMORY);
    CHECK(bg_checkpoint(NULL, begin, &y, 1) == BG_ERR_MEMORY);
    bg_graph_free(g);
    bg_graph_free(other);
}

static void memory_limit(void) {
    bg_options options = BG_OPTIONS_INIT;
    options.memory_limit = 1 << 20;
    bg_graph *g = bg_graph_new_with(&options);
    bg_node w = bg_param_f64(g, (double[]){1, 2}, 2);
    CHECK(bg_backward(g, bg_sum_all(g, bg_square(g, w))) == BG_OK);
    bg_place mark = bg_mark(g);
    bg_node big = bg_zeros(g, BG_F64, (size_t[]){50000}, 1);
    CHECK(!bg_is_null(big));
    for (int i = 0; i < 4; i++) {
        big = bg_exp(g, bg_add(g, big, bg_ones(g, BG_F64, (size_t[]){50000}, 1)));
        bg_data(g, big);
    }
    CHECK(bg_backward(g, bg_sum_all(g, big)) == BG_ERR_MEMORY);
    FAILS(g, BG_ERR_MEMORY, "the graph's memory limit of 1048576 bytes is reached");
    CHECK(bg_rewind(g, mark) == BG_OK);
    IS(g, w, 1, 2);
    GRAD_IS(g, w, 2, 4);
    CHECK(bg_backward(g, bg_sum_all(g, bg_square(g, w))) == BG_OK);
    GRAD_IS(g, w, 4, 8);
    bg_set_memory_limit(g, 0);
    CHECK(bg_data(g, bg_zeros(g, BG_F64, (size_t[]){1000000}, 1)) != NULL);
    bg_graph_free(g);
}

/* Records and plans count, too; and what was recorded before stays. */
static void limited_plans(void) {
    bg_memory memory = BG_MEMORY_INIT;
    size_t limit = 32 << 20;
    bg_graph *g = bg_graph_new();
    bg_set_memory_limit(g, limit);
    bg_node x = bg_param_f64(g, (double[]){0.5}, 1), s = x;
    bg_place mark = bg_mark(g);
    for (int i = 0; i < 60000; i++) {
        s = bg_sin(g, bg_add(g, s, x));
    }
    CHECK(bg_backward(g, bg_sum_all(g, s)) == BG_ERR_MEMORY);
    FAILS(g, BG_ERR_MEMORY, "memory limit of 33554432 bytes is reached: no more for ");
    CHECK(bg_memory_stats(g, &memory) == BG_OK);
    CHECK(memory.pooled + memory.records + memory.plans <= limit);
    CHECK(bg_rewind(g, mark) == BG_OK);
    CHECK(bg_backward(g, bg_sum_all(g, bg_square(g, x))) == BG_OK);
    GRAD_IS(g, x, 1);
    bg_graph_free(g);
}

static void a_million_nodes(void) {
    enum { LENGTH = 1000000 };
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1}, 1), y = x;
    for (int i = 0; i < LENGTH; i++) {
        y = bg_add_scalar(g, y, 1);
    }
    CHECK(bg_backward(g, y) == BG_OK);
    GRAD_IS(g, x, 1);
    IS(g, y, LENGTH + 1);
    bg_graph_free(g);
}

static void gradients_of_gradients(void) {
    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f64(g, (double[]){1}, 1), unused = bg_param_f64(g, (double[]){1}, 1), out[1];
    bg_node y = bg_square(g, x), plain = bg_vector_f64(g, (double[]){1, 2}, 2);
    CHECK(bg_grad(g, y, BG_NULL, &unused, 1, out, false) == BG_ERR_GRADIENT && bg_is_null(out[0]));
    FAILS(g, BG_ERR_GRADIENT, "grad: input 0 is not used by the outputs");
    CHECK(bg_grad(g, y, BG_NULL, &plain, 1, out, false) == BG_ERR_GRADIENT);
    FAILS(g, BG_ERR_GRADIENT, "grad: input 0 does not require grad");
    CHECK(bg_grad(g, y, BG_NULL, &x, 1, NULL, false) == BG_ERR_ARGUMENT);
    FAILS(g, BG_ERR_ARGUMENT, "grad: a pointer is NULL");
    CHECK(bg_grad(g, plain, BG_NULL, &x, 1, out, true) == BG_OK && bg_is_null(out[0]));
    CHECK(bg_backward_with(g, y, plain) == BG_ERR_SHAPE);
    FAILS(g, BG_ERR_SHAPE, "the head gradient must have the shape [1] of the value, not [2]");
    CHECK(bg_backward_with(g, y, BG_NULL) == BG_ERR_HANDLE);
    FAILS(g, BG_ERR_HANDLE, "backward: the handle is null");
    bg_graph_free(g);
}

int main(void) {
    without_a_graph();
    handles();
    the_first_error_stays();
    anywhere();
    struct_sizes();
    settings();
    sizes_and_types();
    shapes_beyond_memory();
    nothing_at_all();
    structs_without_their_size();
    memory_limit();
    memory_budget();
    limited_plans();
    a_million_nodes();
    gradients_of_gradients();
    return failures != 0;
}
