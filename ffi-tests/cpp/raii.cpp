// C++17 over the C header: ownership by unique_ptr, operators on a two-word value, exceptions at the
// reads. Rosenbrock's function and its gradient, and a line fitted to noisy points.

#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bumpgrad.h"

namespace {

struct Free {
    void operator()(bg_graph *g) const noexcept { bg_graph_free(g); }
};

using Graph = std::unique_ptr<bg_graph, Free>;

struct Var {
    bg_graph *g;
    bg_node node;
};

void check(const bg_graph *g, bg_status status) {
    if (status != BG_OK) {
        throw std::runtime_error(bg_error_message(g));
    }
}

Var operator+(Var a, Var b) { return {a.g, bg_add(a.g, a.node, b.node)}; }
Var operator-(Var a, Var b) { return {a.g, bg_sub(a.g, a.node, b.node)}; }
Var operator*(Var a, Var b) { return {a.g, bg_mul(a.g, a.node, b.node)}; }
Var operator*(double c, Var x) { return {x.g, bg_scale(x.g, x.node, c)}; }
Var operator-(double c, Var x) { return {x.g, bg_add_scalar(x.g, bg_neg(x.g, x.node), c)}; }
Var square(Var x) { return {x.g, bg_square(x.g, x.node)}; }
Var mean(Var x) { return {x.g, bg_mean_all(x.g, x.node)}; }

Var param(const Graph &g, std::initializer_list<double> values) {
    return {g.get(), bg_param_f64(g.get(), values.begin(), values.size())};
}

Var constant(const Graph &g, const std::vector<double> &values) {
    return {g.get(), bg_vector_f64(g.get(), values.data(), values.size())};
}

double item(Var x) {
    double value = 0;
    check(x.g, bg_item(x.g, x.node, &value));
    return value;
}

double slope(Var x) {
    double value = 0;
    check(x.g, bg_read_grad(x.g, x.node, &value, sizeof value));
    return value;
}

bool rosenbrock() {
    Graph g{bg_graph_new()};
    Var x = param(g, {-1.5}), y = param(g, {2});
    Var f = square(1 - x) + 100 * square(y - square(x));
    check(f.g, bg_backward(f.g, f.node));
    // f = (1 - x)^2 + 100 (y - x^2)^2
    return item(f) == 6.25 + 100 * .0625 && slope(x) == -5 + 400 * -1.5 * .25 && slope(y) == -50;
}

bool line() {
    Graph g{bg_graph_new()};
    std::vector<double> xs, ys;
    for (int i = 0; i < 50; i++) {
        xs.push_back(i / 50.0);
        ys.push_back(3 * xs.back() - 1 + .01 * std::sin(12.9898 * i));
    }
    Var a = param(g, {0}), b = param(g, {0});
    Var loss = mean(square(a * constant(g, xs) + b - constant(g, ys)));
    bg_sgd_options options = BG_SGD_OPTIONS_INIT;
    options.rate = .1;
    options.momentum = .9;
    for (int i = 0; i < 300; i++) {
        bg_zero_grads(g.get());
        check(g.get(), bg_backward(g.get(), loss.node));
        check(g.get(), bg_sgd_step(g.get(), &options));
    }
    return std::fabs(item(a) - 3) < .02 && std::fabs(item(b) + 1) < .02;
}

bool errors_are_exceptions() {
    Graph g{bg_graph_new()};
    try {
        item(param(g, {1, 2}) + param(g, {1, 2, 3}));
    } catch (const std::runtime_error &error) {
        return std::string(error.what()).find("cannot broadcast [2] with [3]") != std::string::npos;
    }
    return false;
}

} // namespace

int main() {
    bool all = true;
    for (bool passed : {rosenbrock(), line(), errors_are_exceptions()}) {
        all = all && passed;
    }
    if (!all) {
        std::puts("a value is wrong");
    }
    return all ? 0 : 1;
}
