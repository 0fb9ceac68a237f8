// Callbacks in C++: exceptions become errors of the graph, with their words.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "bumpgrad.h"

namespace {

int failures = 0;

void check(bool is_right, int line) {
    if (!is_right) {
        std::fprintf(stderr, "%s:%d\n", __FILE__, line);
        failures++;
    }
}
#define CHECK(...) check((__VA_ARGS__), __LINE__)

// A function of one number and its slope, which may throw: owned by the graph.
struct Function {
    double power;
    int mode;
    std::shared_ptr<int> alive;

    double value(double x) const {
        switch (mode) {
        case 1: throw std::domain_error("x is " + std::to_string(x));
        case 2: throw 7;
        case 3: throw std::runtime_error(std::string(10000, 'x'));
        case 4: throw std::bad_alloc();
        default: return std::pow(x, power);
        }
    }
};

template <class F> void each(const bg_custom_call *call, F &&f) {
    const double *x = static_cast<const double *>(call->inputs[0].data);
    double *out = static_cast<double *>(call->results[0].data);
    for (size_t i = 0; i < call->inputs[0].len; i++) {
        out[i] = f(x[i], i);
    }
}

int32_t forward(void *user, const bg_custom_call *call) {
    return bg::guarded(call, [=] {
        const Function &function = *static_cast<Function *>(user);
        each(call, [&](double x, size_t) { return function.value(x); });
    });
}

int32_t vjp(void *user, const bg_custom_call *call) {
    return bg::guarded(call, [=] {
        const Function &function = *static_cast<Function *>(user);
        const double *g = static_cast<const double *>(call->cotangents[0].data);
        each(call, [&](double x, size_t i) {
            return function.power * std::pow(x, function.power - 1) * g[i];
        });
    });
}

int32_t shapes(void *user, const bg_shape_call *call) {
    return bg::guarded(call, [=] {
        if (static_cast<Function *>(user)->mode == 5) {
            throw std::invalid_argument("such a shape");
        }
    });
}

int32_t record(void *user, const bg_record_call *call) {
    return bg::guarded(call, [=] {
        const Function &function = *static_cast<Function *>(user);
        if (function.mode == 6) {
            throw std::logic_error("not now");
        }
        bg_graph *g = call->graph;
        bg_node slope = bg_scale(g, bg_pow_scalar(g, call->inputs[0], function.power - 1), function.power);
        call->results[0] = bg_mul(g, slope, call->cotangents[0]);
    });
}

void drop(void *user) { delete static_cast<Function *>(user); }

} // namespace

int main() {
    auto alive = std::make_shared<int>(0);
    bg_graph *g = bg_graph_new();
    auto *function = new Function{3, 0, alive};
    bg_custom custom = BG_CUSTOM_INIT;
    custom.name = "power";
    custom.forward = forward;
    custom.vjp = vjp;
    custom.shapes = shapes;
    custom.recorded_vjp = record;
    custom.user = function;
    custom.drop = drop;
    bg_op op;
    CHECK(bg_register(g, &custom, &op) == BG_OK && alive.use_count() == 2);
    const double start[] = {1, 2};
    bg_node x = bg_param_f64(g, start, 2), y = bg_apply(g, op, &x, 1);
    bg_node loss = bg_sum_all(g, y);
    const char *words[] = {nullptr, "power: its forward failed: x is 1.0",
                           "power: its forward failed: it threw what is no std::exception",
                           "power: its forward failed: xxxxxxxxxx", "power: its forward failed: std::bad_alloc",
                           "power: such a shape", "power: its vjp failed: not now"};
    for (int mode = 1; mode < 7; mode++) {
        function->mode = mode;
        CHECK(bg_write(g, x, start, sizeof start) == BG_OK);
        bg_node out = BG_NULL;
        double value = 0;
        bg_status status = BG_OK;
        if (mode < 5) {
            status = bg_item(g, loss, &value);
        } else if (mode == 5) {
            CHECK(bg_is_null(bg_apply(g, op, &x, 1)));
            status = bg_last_status(g);
        } else {
            status = bg_grad(g, loss, BG_NULL, &x, 1, &out, false);
        }
        CHECK(status == BG_ERR_CALLBACK && std::strstr(bg_error_message(g), words[mode]) != nullptr);
        bg_clear_error(g);
        function->mode = 0;
        CHECK(bg_item(g, loss, &value) == BG_OK && value == 9);
    }
    double hessian[4], slope[2];
    CHECK(bg_read(g, bg_hessian(g, loss, x), hessian, sizeof hessian) == BG_OK);
    CHECK(hessian[0] == 6 && hessian[1] == 0 && hessian[2] == 0 && hessian[3] == 12);
    CHECK(bg_backward(g, loss) == BG_OK && bg_read_grad(g, x, slope, sizeof slope) == BG_OK);
    CHECK(slope[0] == 3 && slope[1] == 12);
    bg_graph_free(g);
    CHECK(alive.use_count() == 1);
    return failures != 0;
}
