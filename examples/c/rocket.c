/* The highest flight of a sounding rocket, by Ipopt.
 *
 * R. Goddard's problem, 1919: how should a rocket burn its fuel to rise as far as it can, where the air is
 * denser and the weight larger the lower it is? The equations of motion hold at the ends of each of many
 * intervals (direct collocation by the trapezoidal rule), which makes a nonlinear program of some hundred
 * variables. It is recorded once; what a solver asks for, bumpgrad computes: the objective's gradient, the
 * constraints, their sparse Jacobian, and the sparse Hessian of the Lagrangian, whose multipliers are leaves
 * like the variables. Ipopt (A. Wachter, L. Biegler, 2006) does the rest, through its C interface.
 *
 * Numbers, all without units, and the height that is known are those of E. Dolan, J. More, T. Munson,
 * "Benchmarking optimization software with COPS 3.0", 2004, problem 8. */

#include <IpStdCInterface.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bumpgrad.h"

enum {
    INTERVALS = 200,
    POINTS = INTERVALS + 1,

    /* Height, velocity, mass and thrust at each point, and how long the flight is. */
    TRACKS = 4,
    VARIABLES = TRACKS * POINTS + 1,

    /* Three equations of motion in each interval. */
    CONSTRAINTS = 3 * INTERVALS
};

/* The largest thrust; drag at the ground for a velocity of 1; how fast the air thins out; the speed of the
 * exhaust; the mass without fuel. Gravity is 1 at the ground, which is at height 1. */
static const double THRUST = 3.5, DRAG = 310, DECAY = 500, EXHAUST = 0.5, EMPTY = 0.6;

/* What is known of the greatest height. */
static const double KNOWN = 1.01283;

/* The program: variables, the objective (which is minimised), and what must be 0; the Lagrangian with its
 * leaves; and the derivatives. */
typedef struct {
    bg_graph *g;
    bg_node x, factor, multipliers;
    bg_node objective, constraints;
    bg_node gradient, jacobian, hessian;
    size_t jacobian_starts[CONSTRAINTS + 1], hessian_starts[VARIABLES + 1];
    uint32_t *jacobian_columns, *hessian_columns;
    size_t jacobian_entries, hessian_entries;
    int iterations;
} Program;

/* One of the tracks: a slice of the variables. */
static bg_node track(bg_graph *g, bg_node x, int number)
{
    return bg_slice(g, x, 0, number * POINTS, (number + 1) * POINTS, 1);
}

/* The trapezoidal rule: x[k + 1] - x[k] - step (slope[k] + slope[k + 1]) / 2. */
static bg_node defect(bg_graph *g, bg_node x, bg_node slope, bg_node step)
{
    bg_node from = bg_slice(g, x, 0, 0, INTERVALS, 1), to = bg_slice(g, x, 0, 1, POINTS, 1);
    bg_node first = bg_slice(g, slope, 0, 0, INTERVALS, 1);
    bg_node last = bg_slice(g, slope, 0, 1, POINTS, 1);
    bg_node mean = bg_scale(g, bg_add(g, first, last), 0.5);
    return bg_sub(g, bg_sub(g, to, from), bg_mul(g, step, mean));
}

static void record(Program *p)
{
    bg_graph *g = p->g;
    static const double start[VARIABLES];
    p->x = bg_param_f64(g, start, VARIABLES);
    bg_node height = track(g, p->x, 0), velocity = track(g, p->x, 1);
    bg_node mass = track(g, p->x, 2), thrust = track(g, p->x, 3);
    bg_node time = bg_slice(g, p->x, 0, VARIABLES - 1, VARIABLES, 1);
    bg_node step = bg_scale(g, time, 1.0 / INTERVALS);

    bg_node thin = bg_exp(g, bg_scale(g, bg_add_scalar(g, height, -1), -DECAY));
    bg_node drag = bg_scale(g, bg_mul(g, bg_square(g, velocity), thin), DRAG);
    bg_node gravity = bg_reciprocal(g, bg_square(g, height));
    bg_node acceleration = bg_sub(g, bg_div(g, bg_sub(g, thrust, drag), mass), gravity);
    bg_node burnt = bg_scale(g, thrust, -1 / EXHAUST);
    bg_node defects[] = {defect(g, height, velocity, step), defect(g, velocity, acceleration, step),
                         defect(g, mass, burnt, step)};
    p->constraints = bg_concat(g, defects, 3, 0);
    p->objective = bg_neg(g, bg_sum_all(g, bg_slice(g, height, 0, INTERVALS, POINTS, 1)));

    static const double zeros[CONSTRAINTS];
    p->factor = bg_param(g, BG_F64, (double[]){1}, NULL, 0);
    p->multipliers = bg_vector_f64(g, zeros, CONSTRAINTS);
    bg_node lagrangian = bg_add(g, bg_mul(g, p->factor, p->objective),
                                bg_dot(g, p->multipliers, p->constraints));

    bg_grad(g, p->objective, BG_NULL, &p->x, 1, &p->gradient, false);
    p->jacobian = bg_sparse_jacobian(g, p->constraints, p->x);
    p->hessian = bg_sparse_hessian(g, lagrangian, p->x, true);

    /* The patterns: once to know their sizes, and once more to have them. */
    p->jacobian_entries = bg_sparsity(g, p->constraints, p->x, NULL, NULL, 0);
    p->hessian_entries = bg_hessian_sparsity(g, lagrangian, p->x, true, NULL, NULL, 0);
    p->jacobian_columns = malloc((p->jacobian_entries + 1) * sizeof *p->jacobian_columns);
    p->hessian_columns = malloc((p->hessian_entries + 1) * sizeof *p->hessian_columns);
    if (p->jacobian_columns == NULL || p->hessian_columns == NULL) {
        fprintf(stderr, "rocket: no memory\n");
        exit(EXIT_FAILURE);
    }
    bg_sparsity(g, p->constraints, p->x, p->jacobian_starts, p->jacobian_columns, p->jacobian_entries);
    bg_hessian_sparsity(g, lagrangian, p->x, true, p->hessian_starts, p->hessian_columns,
                        p->hessian_entries);

    size_t tangents = 0, gradients = 0;
    bg_sparse_jacobian_passes(g, p->constraints, p->x, &tangents, &gradients);
    printf("%d variables, %d constraints\n", VARIABLES, CONSTRAINTS);
    printf("Jacobian: %zu of %d entries, by %zu tangents and %zu gradients instead of %d\n",
           p->jacobian_entries, CONSTRAINTS * VARIABLES, tangents, gradients, CONSTRAINTS);
    printf("Hessian: %zu of %d entries, by %zu products instead of %d\n", p->hessian_entries,
           VARIABLES * (VARIABLES + 1) / 2, bg_sparse_hessian_passes(g, lagrangian, p->x), VARIABLES);
}

/* The places of a pattern, as Ipopt wants them. */
static void tell_places(const size_t *starts, const uint32_t *columns, int rows, int *row, int *column)
{
    for (int i = 0; i < rows; i++) {
        for (size_t k = starts[i]; k < starts[i + 1]; k++) {
            row[k] = i;
            column[k] = (int)columns[k];
        }
    }
}

/* What Ipopt calls. It says when the variables are the same as in the call before: then they are not
 * written, and what was computed for them is still known. */

static void move(Program *p, const double *x, Bool fresh)
{
    if (fresh)
        bg_write(p->g, p->x, x, VARIABLES * sizeof *x);
}

static Bool objective(int n, double *x, Bool fresh, double *out, void *user)
{
    Program *p = user;
    (void)n;
    move(p, x, fresh);
    return bg_item(p->g, p->objective, out) == BG_OK;
}

static Bool gradient(int n, double *x, Bool fresh, double *out, void *user)
{
    Program *p = user;
    move(p, x, fresh);
    return bg_read(p->g, p->gradient, out, (size_t)n * sizeof *out) == BG_OK;
}

static Bool constraints(int n, double *x, Bool fresh, int m, double *out, void *user)
{
    Program *p = user;
    (void)n;
    move(p, x, fresh);
    return bg_read(p->g, p->constraints, out, (size_t)m * sizeof *out) == BG_OK;
}

static Bool jacobian(int n, double *x, Bool fresh, int m, int entries, int *row, int *column, double *out,
                     void *user)
{
    Program *p = user;
    (void)n;
    if (out == NULL) {
        tell_places(p->jacobian_starts, p->jacobian_columns, m, row, column);
        return 1;
    }
    move(p, x, fresh);
    return bg_read(p->g, p->jacobian, out, (size_t)entries * sizeof *out) == BG_OK;
}

static Bool hessian(int n, double *x, Bool fresh, double factor, int m, double *multipliers,
                    Bool fresh_multipliers, int entries, int *row, int *column, double *out, void *user)
{
    Program *p = user;
    if (out == NULL) {
        tell_places(p->hessian_starts, p->hessian_columns, n, row, column);
        return 1;
    }
    move(p, x, fresh);
    bg_write(p->g, p->factor, &factor, sizeof factor);
    if (fresh_multipliers)
        bg_write(p->g, p->multipliers, multipliers, (size_t)m * sizeof *multipliers);
    return bg_read(p->g, p->hessian, out, (size_t)entries * sizeof *out) == BG_OK;
}

static Bool count(int phase, int iteration, double value, double infeasible, double dual, double mu,
                  double step, double regular, double alpha_dual, double alpha_primal, int trials, void *user)
{
    (void)phase, (void)value, (void)infeasible, (void)dual, (void)mu, (void)step, (void)regular;
    (void)alpha_dual, (void)alpha_primal, (void)trials;
    ((Program *)user)->iterations = iteration;
    return 1;
}

/* Bounds of the variables, and where the search begins: a slow rise that burns all of the fuel evenly. */
static void begin(double *x, double *lower, double *upper)
{
    for (int k = 0; k < POINTS; k++) {
        double share = (double)k / INTERVALS;
        const double low[TRACKS] = {1, 0, EMPTY, 0}, high[TRACKS] = {1e9, 1e9, 1, THRUST};
        const double first[TRACKS] = {1, share * (1 - share), 1 + (EMPTY - 1) * share, THRUST / 2};
        for (int i = 0; i < TRACKS; i++) {
            lower[i * POINTS + k] = low[i];
            upper[i * POINTS + k] = high[i];
            x[i * POINTS + k] = first[i];
        }
    }
    /* It starts at rest, on the ground, with all of its fuel, and ends with none. */
    upper[0] = lower[0];
    upper[POINTS] = lower[POINTS];
    lower[2 * POINTS] = upper[2 * POINTS];
    upper[3 * POINTS - 1] = lower[3 * POINTS - 1];
    lower[VARIABLES - 1] = 0;
    upper[VARIABLES - 1] = 1e9;
    x[VARIABLES - 1] = 1;
}

/* Solves it and prints the flight; whether it is right. */
static bool run(Program *p)
{
    static double x[VARIABLES], lower[VARIABLES], upper[VARIABLES], zeros[CONSTRAINTS];
    record(p);
    begin(x, lower, upper);
    if (bg_last_status(p->g) != BG_OK)
        return false;
    IpoptProblem problem =
        CreateIpoptProblem(VARIABLES, lower, upper, CONSTRAINTS, zeros, zeros, (int)p->jacobian_entries,
                           (int)p->hessian_entries, 0, objective, constraints, gradient, jacobian, hessian);
    if (problem == NULL)
        return false;
    AddIpoptIntOption(problem, "print_level", 0);
    AddIpoptStrOption(problem, "sb", "yes");
    AddIpoptNumOption(problem, "tol", 1e-9);
    SetIntermediateCallback(problem, count);
    double value = 0;
    int ended = IpoptSolve(problem, x, NULL, &value, NULL, NULL, NULL, p);
    FreeIpoptProblem(problem);
    if (bg_last_status(p->g) != BG_OK)
        return false;

    printf("\nIpopt ended with %d after %d iterations: height %.6f after %.4f\n", ended, p->iterations,
           -value, x[VARIABLES - 1]);
    printf("%8s %8s %8s %8s %8s\n", "time", "height", "velocity", "mass", "thrust");
    for (int k = 0; k < POINTS; k += INTERVALS / 10)
        printf("%8.4f %8.5f %8.5f %8.5f %8.4f\n", x[VARIABLES - 1] * k / INTERVALS, x[k], x[POINTS + k],
               x[2 * POINTS + k], x[3 * POINTS + k]);
    return ended == Solve_Succeeded && fabs(-value - KNOWN) < 1e-5;
}

int main(void)
{
    static Program p;
    p.g = bg_graph_new();
    bool good = run(&p);
    if (!good)
        fprintf(stderr, "rocket: %s\n",
                bg_last_status(p.g) == BG_OK ? "not the known height" : bg_error_message(p.g));
    free(p.jacobian_columns);
    free(p.hessian_columns);
    bg_graph_free(p.g);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
