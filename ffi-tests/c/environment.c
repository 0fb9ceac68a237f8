/* The host's floating-point environment: whatever it is, every function gives the bits that it gives
 * in the default one, and leaves the environment, exceptions seen included, as it was. */

#define _GNU_SOURCE /* feenableexcept */

#include <fenv.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "check.h"

#include "golden.h"

/* ---- environments ---- */

typedef struct environment {
    const char *name;
    int rounding;
    bool flush, traps, seen;
} environment;

static const environment ENVIRONMENTS[] = {
    {"default", FE_TONEAREST, false, false, false}, /* what all others are compared with */
    {"default, exceptions seen", FE_TONEAREST, false, false, true},
    {"upward", FE_UPWARD, false, false, false},
    {"downward", FE_DOWNWARD, false, false, true},
    {"toward zero", FE_TOWARDZERO, false, false, false},
    {"flush", FE_TONEAREST, true, false, false},
    {"traps", FE_TONEAREST, false, true, false},
    {"all at once", FE_UPWARD, true, true, false},
};
static const environment *host = ENVIRONMENTS;
static const char *what = "";

/* All that can be seen of an environment. */
typedef struct state {
    int rounding, seen, traps;
    unsigned sse;
} state;
static state before;
static int depth; /* of calls among the arguments of others */

static state look(void) {
    state now = {fegetround(), fetestexcept(FE_ALL_EXCEPT), fegetexcept(), 0};
#if defined(__x86_64__)
    now.sse = _mm_getcsr();
#endif
    return now;
}

static void enter(void) {
    if (depth++ > 0) {
        return;
    }
    fesetround(host->rounding);
    if (host->seen) {
        feraiseexcept(FE_DIVBYZERO | FE_INEXACT);
    }
#if defined(__x86_64__)
    if (host->flush) {
        _mm_setcsr(_mm_getcsr() | 0x8040);
    }
    if (host->traps) {
        _mm_setcsr(_mm_getcsr() & ~0x0100u); /* subnormal operands, of which C knows nothing */
    }
#endif
    if (host->traps) {
        feenableexcept(FE_ALL_EXCEPT);
    }
    before = look();
}

static void leave(const char *call, int line) {
    state after = look();
    if (--depth == 0) {
        fesetenv(FE_DFL_ENV);
    }
    if (memcmp(&before, &after, sizeof after) != 0) {
        fprintf(stderr, "%s:%d: %s, %s: %s leaves another environment: %#x, not %#x\n", __FILE__,
                line, host->name, what, call, after.sse, before.sse);
        failures++;
    }
}

/* A call in the host's environment. */
#define LEAVER(name, type)                                                                        \
    static type name(type result, const char *call, int line) {                                   \
        leave(call, line);                                                                        \
        return result;                                                                            \
    }
LEAVER(left_node, bg_node)
LEAVER(left_status, bg_status)
LEAVER(left_data, const void *)
LEAVER(left_size, size_t)
LEAVER(left_graph, bg_graph *)
#define NODE(call) left_node((enter(), (call)), #call, __LINE__)
#define STATUS(call) left_status((enter(), (call)), #call, __LINE__)
#define DATA(call) left_data((enter(), (call)), #call, __LINE__)
#define SIZE(call) left_size((enter(), (call)), #call, __LINE__)
#define GRAPH(call) left_graph((enter(), (call)), #call, __LINE__)
#define VOID(call) (enter(), (call), leave(#call, __LINE__))

/* ---- results ---- */

/* Of the first run, one after the other; those of the others are compared with them. */
static unsigned char *bits;
static size_t kept, capacity, place;

static void keep(const void *data, size_t bytes) {
    if (host == ENVIRONMENTS && place == kept) {
        if (kept + bytes > capacity) {
            capacity = 2 * (kept + bytes);
            bits = realloc(bits, capacity);
        }
        memcpy(bits + kept, data, bytes);
        kept += bytes;
    } else if (place + bytes > kept || memcmp(bits + place, data, bytes) != 0) {
        fprintf(stderr, "%s: %s gives other bits\n", host->name, what);
        failures++;
    }
    place += bytes;
}

static void keep_value(bg_graph *g, bg_node x) {
    const void *data = DATA(bg_data(g, x));
    size_t size = (size_t[]){0, 4, 8, 8, 1}[bg_dtype(g, x)];
    if (data == NULL) {
        fprintf(stderr, "%s: %s: %s\n", host->name, what, bg_error_message(g));
        failures++;
        bg_clear_error(g);
        return;
    }
    keep(data, bg_len(g, x) * size);
}

/* The value of y, and its gradients. */
static void keep_all(bg_graph *g, bg_node y, const bg_node *xs, size_t n) {
    keep_value(g, y);
    if (!bg_requires_grad(g, y)) {
        return;
    }
    size_t dims[BG_MAX_RANK];
    CHECK(bg_shape(g, y, dims, BG_MAX_RANK) == BG_OK);
    bg_node head = NODE(bg_full(g, bg_dtype(g, y), dims, (size_t)bg_rank(g, y), 0.7));
    CHECK(STATUS(bg_backward_with(g, y, head)) == BG_OK);
    CHECK(STATUS(bg_backward_with(g, y, head)) == BG_OK); /* is added */
    bg_node slopes[4];
    CHECK(n <= 4 && STATUS(bg_grad(g, y, head, xs, n, slopes, true)) == BG_OK);
    for (size_t i = 0; i < n; i++) {
        if (bg_has_grad(g, xs[i])) {
            keep_value(g, NODE(bg_grad_tensor(g, xs[i])));
        }
        if (!bg_is_null(slopes[i])) {
            keep_value(g, slopes[i]);
        }
    }
    bg_zero_grads(g);
}

/* ---- data ---- */

enum { LONGEST = 70 };

/* Ordinary numbers, and the ends of everything. */
static const double VALUES[] = {0.3,   1.7,      150,      -0.3, 0.9, 2.5,   -150,   0,     1,    -0.0,
                                1e-40, INFINITY, 20.5,     -1,   3,   1e30,  -1e-40, 1e-42, 7,    0.1,
                                1e9,   -1e30,    -INFINITY, 5.5,  NAN, 1e-310, 1e300, -88.3, 1e-20};
static double doubles[2][LONGEST];
static float floats[2][LONGEST];

static void draw(void) {
    enum { ALL = sizeof VALUES / sizeof *VALUES };
    for (int i = 0; i < LONGEST; i++) {
        doubles[0][i] = VALUES[i % ALL];
        doubles[1][i] = VALUES[(7 * i + 5) % ALL];
        for (int k = 0; k < 2; k++) {
            floats[k][i] = (float)doubles[k][i];
        }
    }
}

static bg_node param(bg_graph *g, int32_t dtype, int which, const size_t *dims, size_t rank) {
    const void *data = dtype == BG_F32 ? (void *)floats[which] : (void *)doubles[which];
    return NODE(bg_param(g, dtype, data, dims, rank));
}

/* ---- the roll-call ---- */

typedef bg_node unary(bg_graph *g, bg_node x);
typedef bg_node binary(bg_graph *g, bg_node a, bg_node b);
typedef bg_node with_number(bg_graph *g, bg_node x, double c);
typedef bg_node reduction(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);
typedef bg_node along(bg_graph *g, bg_node x, int32_t axis);

#define NAMED(name) {#name, name}
#define EACH(type, ...)                                                                           \
    static const struct {                                                                         \
        const char *name;                                                                         \
        type *call;                                                                               \
    } type##_calls[] = {__VA_ARGS__}
#define CALLS(table) (sizeof(table) / sizeof *(table))

/* Links of one chain, whose tails are filled up. */
static bg_node chained(bg_graph *g, bg_node x) {
    bg_node y = bg_add(g, bg_reciprocal(g, bg_sqrt(g, x)), bg_rsqrt(g, x));
    return bg_div(g, bg_sub(g, y, x), bg_mul(g, bg_square(g, x), y));
}

EACH(unary, NAMED(bg_neg), NAMED(bg_abs), NAMED(bg_sign), NAMED(bg_exp), NAMED(bg_expm1),
     NAMED(bg_log), NAMED(bg_log1p), NAMED(bg_sqrt), NAMED(bg_rsqrt), NAMED(bg_square),
     NAMED(bg_reciprocal), NAMED(bg_sin), NAMED(bg_cos), NAMED(bg_tan), NAMED(bg_tanh),
     NAMED(bg_sigmoid), NAMED(bg_erf), NAMED(bg_relu), NAMED(bg_softplus), NAMED(bg_gelu),
     NAMED(bg_gelu_tanh), NAMED(bg_silu), NAMED(bg_floor), NAMED(bg_ceil), NAMED(bg_round),
     NAMED(bg_sum_all), NAMED(bg_mean_all), NAMED(bg_argmax_all), NAMED(bg_argmin_all),
     NAMED(bg_squeeze_all), NAMED(bg_detach), NAMED(bg_snapshot), NAMED(chained));
EACH(binary, NAMED(bg_add), NAMED(bg_sub), NAMED(bg_mul), NAMED(bg_div), NAMED(bg_pow),
     NAMED(bg_maximum), NAMED(bg_minimum), NAMED(bg_atan2), NAMED(bg_eq), NAMED(bg_ne),
     NAMED(bg_lt), NAMED(bg_le), NAMED(bg_gt), NAMED(bg_ge), NAMED(bg_dot), NAMED(bg_mse));
EACH(with_number, NAMED(bg_scale), NAMED(bg_add_scalar), NAMED(bg_pow_scalar),
     NAMED(bg_eq_scalar), NAMED(bg_ne_scalar), NAMED(bg_lt_scalar), NAMED(bg_le_scalar),
     NAMED(bg_gt_scalar), NAMED(bg_ge_scalar));
EACH(reduction, NAMED(bg_sum), NAMED(bg_mean), NAMED(bg_max), NAMED(bg_min), NAMED(bg_amax),
     NAMED(bg_amin), NAMED(bg_prod), NAMED(bg_logsumexp));
EACH(along, NAMED(bg_softmax), NAMED(bg_log_softmax));

static void elementwise(bg_graph *g, int32_t dtype) {
    for (size_t n = 1; n <= LONGEST; n += n < 20 ? 1 : 7) {
        bg_place start = bg_mark(g);
        bg_node x[2] = {param(g, dtype, 0, &n, 1), param(g, dtype, 1, &n, 1)};
        bg_place leaves = bg_mark(g);
        for (size_t i = 0; i < CALLS(unary_calls); i++) {
            what = unary_calls[i].name;
            keep_all(g, NODE(unary_calls[i].call(g, x[0])), x, 1);
            CHECK(bg_rewind(g, leaves) == BG_OK);
        }
        for (size_t i = 0; i < CALLS(binary_calls); i++) {
            what = binary_calls[i].name;
            keep_all(g, NODE(binary_calls[i].call(g, x[0], x[1])), x, 2);
            CHECK(bg_rewind(g, leaves) == BG_OK);
        }
        for (size_t i = 0; i < CALLS(with_number_calls); i++) {
            what = with_number_calls[i].name;
            keep_all(g, NODE(with_number_calls[i].call(g, x[0], 1e-39)), x, 1);
            keep_all(g, NODE(with_number_calls[i].call(g, x[0], NAN)), x, 1);
            keep_all(g, NODE(with_number_calls[i].call(g, x[0], 2.0)), x, 1);
            CHECK(bg_rewind(g, leaves) == BG_OK);
        }
        what = "clamp, where, cast, dropout";
        bg_node mask = NODE(bg_lt(g, x[1], x[0]));
        keep_all(g, NODE(bg_clamp(g, x[0], -0.1, 1e-39)), x, 1);
        keep_all(g, NODE(bg_where(g, mask, x[0], x[1])), x, 2);
        keep_all(g, NODE(bg_cast(g, x[0], dtype == BG_F32 ? BG_F64 : BG_F32)), x, 1);
        keep_all(g, NODE(bg_cast(g, x[0], BG_I64)), x, 1);
        keep_all(g, NODE(bg_cast(g, x[0], BG_U8)), x, 1);
        bg_set_seed(g, n);
        keep_all(g, NODE(bg_dropout(g, x[0], 0.3)), x, 1);
        CHECK(bg_rewind(g, start) == BG_OK);
    }
}

static void shaped(bg_graph *g, int32_t dtype) {
    const size_t shapes[][2] = {{1, 1}, {7, 1}, {1, 7}, {5, 14}, {14, 5}, {35, 2}, {2, 35}, {3, 23}};
    for (size_t s = 0; s < CALLS(shapes); s++) {
        const size_t *dims = shapes[s];
        bg_place start = bg_mark(g);
        bg_node x[2] = {param(g, dtype, 0, dims, 2), param(g, dtype, 1, dims, 2)};
        bg_place leaves = bg_mark(g);
        for (int32_t axis = 0; axis < 2; axis++) {
            for (size_t i = 0; i < CALLS(reduction_calls); i++) {
                what = reduction_calls[i].name;
                keep_all(g, NODE(reduction_calls[i].call(g, x[0], &axis, 1, false)), x, 1);
                CHECK(bg_rewind(g, leaves) == BG_OK);
            }
            for (size_t i = 0; i < CALLS(along_calls); i++) {
                what = along_calls[i].name;
                keep_all(g, NODE(along_calls[i].call(g, x[0], axis)), x, 1);
                CHECK(bg_rewind(g, leaves) == BG_OK);
            }
            what = "var, norm, places";
            keep_all(g, NODE(bg_var(g, x[0], &axis, 1, 0.3, true)), x, 1);
            const double powers[] = {1, 2, 2.5, INFINITY};
            for (size_t i = 0; i < CALLS(powers); i++) {
                keep_all(g, NODE(bg_norm(g, x[0], powers[i], &axis, 1, true)), x, 1);
            }
            keep_all(g, NODE(bg_argmax(g, x[0], axis, true)), x, 1);
            keep_all(g, NODE(bg_argmin(g, x[0], axis, true)), x, 1);
            what = "indexing and joining";
            bg_node index = NODE(bg_vector_i64(g, (int64_t[]){0, 0}, 2));
            keep_all(g, NODE(bg_index_select(g, x[0], axis, index)), x, 1);
            bg_node zeros = NODE(bg_zeros(g, BG_I64, dims, 2));
            keep_all(g, NODE(bg_gather(g, x[0], axis, zeros)), x, 1);
            keep_all(g, NODE(bg_concat(g, x, 2, axis)), x, 2);
            keep_all(g, NODE(bg_stack(g, x, 2, axis)), x, 2);
            bg_node part = NODE(bg_slice(g, x[0], axis, 0, INT64_MAX, 2));
            keep_all(g, NODE(bg_rsqrt(g, part)), x, 1);
            CHECK(bg_rewind(g, leaves) == BG_OK);
        }
        what = "products";
        bg_node turned = NODE(bg_transpose(g, x[1], 0, 1));
        keep_all(g, NODE(bg_matmul(g, x[0], turned)), x, 2);
        bg_node permuted = NODE(bg_permute(g, x[0], (int32_t[]){1, 0}, 2));
        bg_node flat = NODE(bg_reshape(g, permuted, (int64_t[]){-1}, 1));
        keep_all(g, NODE(bg_square(g, flat)), x, 1);
        bg_node wide = NODE(bg_expand(g, NODE(bg_unsqueeze(g, x[0], 1)), (int64_t[]){-1, 3, -1}, 3));
        keep_all(g, NODE(bg_mul(g, wide, NODE(bg_unsqueeze(g, x[1], 1)))), x, 2);
        bg_node row = NODE(bg_squeeze(g, NODE(bg_slice(g, x[0], 0, 0, 1, 1)), 0));
        keep_all(g, NODE(bg_exp(g, row)), x, 1);
        what = "cross entropy";
        bg_node classes = NODE(bg_zeros(g, BG_I64, dims, 1));
        keep_all(g, NODE(bg_cross_entropy(g, x[1], classes)), x + 1, 1);
        CHECK(bg_rewind(g, start) == BG_OK);
    }
}

/* On operands of a few ordinary numbers: the rest of the operations. */
static void every(bg_graph *g) {
    for (size_t i = 0; i < CALLS(GOLDEN); i++) {
        what = GOLDEN[i].name;
        bg_place start = bg_mark(g);
        bg_node x[16];
        bg_node y = NODE(GOLDEN[i].call(g, x));
        bg_node params[4];
        size_t n = 0;
        for (size_t k = 0; k < GOLDEN[i].operands && n < 4; k++) {
            if (bg_requires_grad(g, x[k])) {
                params[n++] = x[k];
            }
        }
        keep_all(g, y, params, n);
        CHECK(bg_rewind(g, start) == BG_OK);
    }
}

static void leaves(bg_graph *g) {
    const size_t dims[2] = {3, 5};
    what = "a new leaf";
    bg_set_seed(g, 5);
    keep_value(g, NODE(bg_scalar_f32(g, 1e-40f)));
    keep_value(g, NODE(bg_scalar_f64(g, 1e-310)));
    keep_value(g, NODE(bg_param_f32(g, floats[0], LONGEST)));
    keep_value(g, NODE(bg_param_f64(g, doubles[0], LONGEST)));
    keep_value(g, NODE(bg_vector_f32(g, floats[0], LONGEST)));
    keep_value(g, NODE(bg_vector_f64(g, doubles[0], LONGEST)));
    keep_value(g, NODE(bg_vector_u8(g, (uint8_t[]){1, 2}, 2)));
    for (int32_t dtype = BG_F32; dtype <= BG_F64; dtype++) {
        keep_value(g, NODE(bg_full(g, dtype, dims, 2, 1e-40)));
        keep_value(g, NODE(bg_full(g, dtype, dims, 2, 1.0 / 3)));
        keep_value(g, NODE(bg_ones(g, dtype, dims, 2)));
        keep_value(g, NODE(bg_eye(g, dtype, 3, 4)));
        keep_value(g, NODE(bg_arange(g, dtype, -0.3, 7.77, 0.1)));
        keep_value(g, NODE(bg_linspace(g, dtype, 0.1, 0.7, 9)));
        keep_value(g, NODE(bg_uniform(g, dtype, dims, 2, 0.1, 0.3)));
        keep_value(g, NODE(bg_normal(g, dtype, dims, 2, 0.1, 0.3)));
        keep_value(g, NODE(bg_tensor(g, dtype, doubles[1], dims, 2)));
    }
    keep_value(g, NODE(bg_linspace(g, BG_I64, -5, 8, 9)));
    double item;
    what = "item";
    CHECK(STATUS(bg_item(g, NODE(bg_full(g, BG_F32, NULL, 0, 1e-40)), &item)) == BG_OK);
    keep(&item, sizeof item);
    what = "format";
    char text[4096];
    for (int k = 0; k < 2; k++) {
        size_t n = SIZE(bg_format(g, NODE(bg_vector_f32(g, floats[k], 40)), text, sizeof text));
        keep(text, n);
        n = SIZE(bg_format(g, NODE(bg_vector_f64(g, doubles[k], 40)), text, sizeof text));
        keep(text, n);
    }
    SIZE(bg_format_graph(g, text, sizeof text, BG_TEXT));
    SIZE(bg_format_plan(g, text, sizeof text, BG_TEXT));
}

static void optimisers(bg_graph *g, int32_t dtype) {
    size_t n = LONGEST;
    bg_node x = param(g, dtype, 0, &n, 1);
    bg_sgd_options sgd = BG_SGD_OPTIONS_INIT;
    sgd.momentum = 0.9;
    for (int i = 0; i < 3; i++) {
        what = "sgd_step";
        CHECK(STATUS(bg_backward_with(g, NODE(bg_square(g, x)), x)) == BG_OK);
        CHECK(STATUS(bg_sgd_step(g, &sgd)) == BG_OK);
        keep_value(g, x);
    }
    for (int i = 0; i < 3; i++) {
        what = "adam_step";
        CHECK(STATUS(bg_backward_with(g, NODE(bg_square(g, x)), x)) == BG_OK);
        CHECK(STATUS(bg_adam_step(g, NULL)) == BG_OK);
        keep_value(g, x);
    }
    what = "write";
    const void *data = dtype == BG_F32 ? (void *)floats[1] : (void *)doubles[1];
    CHECK(STATUS(bg_write(g, x, data, bg_len(g, x) * (dtype == BG_F32 ? 4 : 8))) == BG_OK);
    keep_value(g, NODE(bg_exp(g, x)));
}

static int32_t thirds(void *user, const bg_custom_call *call) {
    (void)user;
    /* It computes in the default environment, and what it does to the registers for that ends with it. */
#if defined(__x86_64__)
    CHECK((_mm_getcsr() & 0xffc0) == 0x1f80);
#endif
    for (size_t i = 0; i < call->inputs[0].len; i++) {
        if (call->inputs[0].dtype == BG_F32) {
            ((float *)call->results[0].data)[i] = ((const float *)call->inputs[0].data)[i] / 3;
        } else {
            ((double *)call->results[0].data)[i] = ((const double *)call->inputs[0].data)[i] / 3;
        }
    }
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x6000);
#endif
    return 0;
}

/* Operations of the host's own. */
static void custom(bg_graph *g, int32_t dtype) {
    const size_t dims[1] = {3};
    bg_node x = param(g, dtype, 0, dims, 1);
    bg_custom third = BG_CUSTOM_INIT;
    bg_op op;
    what = "custom";
    third.name = "third";
    third.forward = thirds;
    CHECK(STATUS(bg_register(g, &third, &op)) == BG_OK);
    bg_node y = NODE(bg_apply(g, op, &x, 1));
    keep_value(g, NODE(bg_exp(g, y)));
    CHECK(SIZE(bg_apply_all(g, op, &x, 1, &y, 1)) == 1);
    keep_value(g, y);
}

/* Tangents, batches and matrices of derivatives. */
static void derivatives(bg_graph *g, int32_t dtype) {
    const size_t dims[2] = {2, 3};
    bg_node x = param(g, dtype, 0, dims + 1, 1), v = param(g, dtype, 1, dims + 1, 1);
    bg_node many = param(g, dtype, 1, dims, 2), out;
    bg_node y = NODE(bg_mul(g, NODE(bg_sin(g, x)), NODE(bg_roll(g, x, (int64_t[]){1}, 1, (int32_t[]){0}, 1))));
    bg_node loss = NODE(bg_sum_all(g, NODE(bg_square(g, y))));
    what = "derivatives";
    CHECK(STATUS(bg_jvp(g, &y, 1, &x, &v, 1, &out)) == BG_OK);
    keep_value(g, out);
    CHECK(STATUS(bg_vjp(g, &y, &v, 1, &x, 1, &out, false)) == BG_OK);
    keep_value(g, out);
    CHECK(STATUS(bg_vmap(g, &y, 1, &x, &many, 1, &out)) == BG_OK);
    keep_value(g, out);
    CHECK(STATUS(bg_hvp(g, loss, &x, &v, 1, &out)) == BG_OK);
    keep_value(g, out);
    keep_value(g, NODE(bg_jacobian(g, y, x, BG_AUTO)));
    keep_value(g, NODE(bg_jacobian(g, y, x, BG_FORWARD)));
    keep_value(g, NODE(bg_hessian(g, loss, x)));
    keep_value(g, NODE(bg_hessian_diagonal(g, loss, x)));
    keep_value(g, NODE(bg_laplacian(g, loss, x)));
    keep_value(g, NODE(bg_divergence(g, y, x)));
    keep_value(g, NODE(bg_sparse_jacobian(g, y, x)));
    keep_value(g, NODE(bg_sparse_hessian(g, loss, x, true)));
    CHECK(SIZE(bg_sparsity(g, y, x, NULL, NULL, 0)) > 0);
    CHECK(SIZE(bg_hessian_sparsity(g, loss, x, false, NULL, NULL, 0)) > 0);
    if (dtype == BG_F64) {
        bg_node small = NODE(bg_param_f64(g, (double[]){0.3, -0.7, 1.1}, 3));
        bg_gradcheck_result result = BG_GRADCHECK_RESULT_INIT;
        CHECK(STATUS(bg_gradcheck(g, NODE(bg_sin(g, small)), &small, 1, NULL, &result)) == BG_OK);
        keep(&result.difference, sizeof result.difference);
    }
}

/* Calls that fail, at once and in the middle of an evaluation, or do nothing. */
static void failing(bg_graph *g) {
    what = "a call that fails";
    bg_node x = NODE(bg_vector_f64(g, doubles[0], 3));
    NODE(bg_add(g, x, NODE(bg_vector_f64(g, doubles[0], 2))));
    FAILS(g, BG_ERR_SHAPE, "broadcast");
    CHECK(STATUS(bg_read(g, NODE(bg_exp(g, x)), doubles, 1)) != BG_OK);
    FAILS(g, BG_ERR_SHAPE, "24 bytes");
    bg_node wrong = NODE(bg_vector_i64(g, (int64_t[]){3}, 1));
    CHECK(DATA(bg_data(g, NODE(bg_index_select(g, NODE(bg_exp(g, x)), 0, wrong)))) == NULL);
    FAILS(g, BG_ERR_INDEX, "3");
    NODE(bg_full(g, BG_I64, NULL, 0, 0.5));
    FAILS(g, BG_ERR_ARGUMENT, "0.5");
    CHECK(STATUS(bg_backward(g, x)) != BG_OK);
    bg_clear_error(g);
    VOID(bg_set_num_threads(g, 1));
    VOID(bg_set_flush_subnormals(NULL, true));
    VOID(bg_graph_free(GRAPH(bg_graph_new())));
    CHECK(bg_last_status(g) == BG_OK);
}

/* Large enough for the pool, of no round size; without NaN, whose bits may be any. */
static void large(size_t threads) {
    bg_graph *g = GRAPH(bg_graph_new());
    VOID(bg_set_num_threads(g, threads));
    what = threads == 1 ? "large, 1 thread" : "large, 2 threads";
    const size_t dims[2] = {601, 509};
    bg_node x = NODE(bg_normal(g, BG_F32, dims, 2, 0, 1));
    CHECK(STATUS(bg_set_requires_grad(g, x, true)) == BG_OK);
    bg_node tiny = NODE(bg_scale(g, x, 1e-39));
    bg_node wave = NODE(bg_mul(g, NODE(bg_sin(g, x)), NODE(bg_exp(g, NODE(bg_scale(g, x, 9))))));
    bg_node soft = NODE(bg_softmax(g, NODE(bg_scale(g, x, 40)), 1));
    bg_node gram = NODE(bg_matmul(g, soft, NODE(bg_transpose(g, x, 0, 1))));
    bg_node all[] = {tiny, wave, soft, gram, NODE(bg_round(g, wave)), NODE(bg_sum_all(g, wave)),
                     NODE(bg_sum(g, soft, (int32_t[]){0}, 1, false))};
    for (size_t i = 0; i < CALLS(all); i++) {
        keep_all(g, all[i], &x, 1);
    }
    CHECK(bg_last_status(g) == BG_OK);
    VOID(bg_graph_free(g));
}

/* What is wanted where the first run could be as wrong as the others. */
static void known(bg_graph *g) {
    what = "known values";
    double y[4];
    bg_node x = NODE(bg_vector_f64(g, (double[]){0.3, 150, 1e-310, 2.5}, 4));
    CHECK(STATUS(bg_read(g, NODE(bg_round(g, x)), y, sizeof y)) == BG_OK);
    CHECK(y[0] == 0 && y[1] == 150 && y[2] == 0 && y[3] == 2);
    CHECK(STATUS(bg_read(g, NODE(bg_softplus(g, x)), y, sizeof y)) == BG_OK && y[1] == 150);
    CHECK(STATUS(bg_read(g, NODE(bg_sin(g, x)), y, sizeof y)) == BG_OK && y[2] == 1e-310);
    CHECK(fabs(y[0] - 0.29552020666133955) < 1e-16 && fabs(y[1] + 0.71487642962916465) < 3e-16);
}

static void run(void) {
    bg_graph *g = GRAPH(bg_graph_new());
    known(g);
    failing(g);
    leaves(g);
    for (int32_t dtype = BG_F32; dtype <= BG_F64; dtype++) {
        bg_reset(g);
        optimisers(g, dtype);
        bg_reset(g);
        derivatives(g, dtype);
        custom(g, dtype);
        bg_reset(g);
        shaped(g, dtype);
        elementwise(g, dtype);
    }
    bg_reset(g);
    every(g);
    VOID(bg_graph_free(g));
    size_t first = place;
    large(1);
    if (host == ENVIRONMENTS) {
        size_t end = place;
        place = first;
        large(2); /* compared with the first run as well */
        CHECK(place == end);
    } else {
        place = first;
        large(2);
    }
    VOID(bg_shutdown());
}

/* ---- the option ---- */

static void flushing(void) {
    bg_graph *g = bg_graph_new();
    what = "flush_subnormals";
    CHECK(!bg_flush_subnormals(g) && !bg_flush_subnormals(NULL));
    bg_node x = bg_param_f32(g, (float[]){1e-30f, 1e-40f, 2}, 3);
    bg_node small = bg_scale(g, x, 1e-9), large = bg_scale(g, x, 1e9), other = bg_exp(g, small);
    IS(g, large, 1e-21f, 1e-40f * 1e9f, 2e9f);
    NEAR(g, other, 1e-7, 1, 1, 1);
    float y[3];
    CHECK(bg_read(g, small, y, sizeof y) == BG_OK && y[0] > 0);
    VOID(bg_set_flush_subnormals(g, true));
    CHECK(bg_flush_subnormals(g));
#if defined(__x86_64__) || defined(__aarch64__)
    IS(g, small, 0, 0, 2e-9f);
    IS(g, large, 1e-21f, 0, 2e9f);
    IS(g, bg_add(g, small, x), 1e-30f, 0, 2); /* recorded later */
    CHECK(bg_backward_with(g, bg_scale(g, x, 1e-20), bg_scale(g, small, 1e-9)) == BG_OK);
    CHECK(bg_read_grad(g, x, y, sizeof y) == BG_OK && y[0] == 0 && y[1] == 0 && y[2] > 1.9e-38f);
#endif
    IS(g, x, 1e-30f, 1e-40f, 2); /* data stay */
    VOID(bg_set_flush_subnormals(g, false));
    CHECK(bg_read(g, small, y, sizeof y) == BG_OK && y[0] > 0 && y[1] == 0);
    IS(g, large, 1e-21f, 1e-40f * 1e9f, 2e9f);
    bg_graph_free(g);
}

int main(void) {
    draw();
    for (size_t i = 0; i < CALLS(ENVIRONMENTS); i++) {
        host = &ENVIRONMENTS[i];
        place = 0;
        run();
        CHECK(place == kept);
        flushing();
    }
    free(bits);
    return failures != 0;
}
