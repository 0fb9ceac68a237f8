/* How likely were the seals of the space shuttle to fail in the cold? Bayesian logistic regression, by
 * Laplace's approximation and by Hamiltonian Monte Carlo.
 *
 *     posterior [file]
 *
 * The minus log density of the posterior is recorded once. Newton's method finds its lowest point with
 * bg_hessian; Laplace takes the Hessian there for the inverse covariance of a normal distribution. The
 * chains start from that, in its coordinates, and all of them take each step at once: bg_vmap. Both are
 * compared with the posterior itself, on a fine grid. examples/posterior.rs is the same program in Rust;
 * it draws a picture, too. */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bumpgrad.h"

enum {
    FLIGHTS = 23,

    CHAINS = 64,
    DRAWS = 200,
    WARM_UP = 20, /* what is thrown away first */
    ROUNDS = WARM_UP + DRAWS,

    /* In the coordinates of Laplace's approximation, most of the posterior is nearly the normal
     * distribution, where a quarter of a turn forgets the start: 8 steps of 0.2 make about that. */
    LEAPS = 8,

    /* Points of the grid along each axis, from -8 to 8 deviations. */
    GRID = 161
};

static const double STEP = 0.2;

/* Both parameters are normal with this deviation before the flights are seen. */
static const double PRIOR_DEVIATION = 5.0;

/* In degrees Fahrenheit: the morning of the last flight, 28 January 1986. */
static const double COLD = 31.0;

/* Ends the program unless this holds, whatever NDEBUG says. */
#define CHECK(condition) check(condition, #condition, __LINE__)

static void check(bool holds, const char *claim, int line)
{
    if (!holds) {
        fprintf(stderr, "posterior.c:%d: %s\n", line, claim);
        exit(EXIT_FAILURE);
    }
}

/* Temperatures around 70 degrees, in tens, so that both parameters are of the same size. */
static double scaled(double temperature)
{
    return (temperature - 70) / 10;
}

/* Rows of 1 and a temperature, and whether at least one seal was damaged. */
static bool read_flights(const char *name, double rows[FLIGHTS][2], double damaged[FLIGHTS])
{
    FILE *file = fopen(name, "r");
    if (file == NULL) {
        perror(name);
        return false;
    }
    int count = 0, seals = 0;
    double temperature = 0;
    while (count < FLIGHTS && fscanf(file, "%lf,%d", &temperature, &seals) == 2) {
        rows[count][0] = 1;
        rows[count][1] = scaled(temperature);
        damaged[count++] = seals > 0;
    }
    fclose(file);
    if (count != FLIGHTS)
        fprintf(stderr, "%s: %d lines expected, not %d\n", name, FLIGHTS, count);
    return count == FLIGHTS;
}

/* The chance of damage for an intercept and a slope. */
static double chance(const double parameters[2], double temperature)
{
    return 1 / (1 + exp(-parameters[0] - parameters[1] * scaled(temperature)));
}

/* ---- the model, and Laplace's approximation ---- */

/* The minus log density and its derivatives, all of them nodes. */
typedef struct {
    bg_node parameters; /* intercept and slope */
    bg_node precision;  /* 1 / variance of the prior; 0 for none */
    bg_node energy, gradient, hessian;
} Model;

static Model new_model(bg_graph *g, double rows[FLIGHTS][2], const double *damaged)
{
    Model m;
    m.parameters = bg_param_f64(g, (double[]){0, 0}, 2);
    m.precision = bg_scalar_f64(g, 0.0);
    m.gradient = BG_NULL;
    bg_node logits = bg_matmul(g, bg_tensor(g, BG_F64, rows, (size_t[]){FLIGHTS, 2}, 2), m.parameters);
    bg_node misfit = bg_bce_with_logits(g, logits, bg_vector_f64(g, damaged, FLIGHTS), BG_REDUCE_SUM);
    bg_node prior = bg_mul(g, bg_scale(g, m.precision, 0.5), bg_dot(g, m.parameters, m.parameters));
    m.energy = bg_add(g, misfit, prior);
    bg_grad(g, m.energy, BG_NULL, &m.parameters, 1, &m.gradient, false);
    m.hessian = bg_hessian(g, m.energy, m.parameters);
    return m;
}

/* The lowest point, by Newton's method, and the inverse of the Hessian there. */
static void find_lowest(bg_graph *g, Model m, double at[2], double inverse[4])
{
    at[0] = at[1] = 0;
    for (int i = 0; i < 20; i++) {
        double d[2] = {NAN, NAN}, h[4] = {NAN, NAN, NAN, NAN};
        bg_write(g, m.parameters, at, 2 * sizeof(double));
        bg_read(g, m.gradient, d, sizeof d);
        bg_read(g, m.hessian, h, sizeof h);
        double determinant = h[0] * h[3] - h[1] * h[2];
        inverse[0] = h[3] / determinant;
        inverse[1] = -h[1] / determinant;
        inverse[2] = -h[2] / determinant;
        inverse[3] = h[0] / determinant;
        double step[2] = {inverse[0] * d[0] + inverse[1] * d[1], inverse[2] * d[0] + inverse[3] * d[1]};
        at[0] -= step[0];
        at[1] -= step[1];
        if (fabs(step[0]) + fabs(step[1]) < 1e-12)
            return;
    }
    CHECK(!"Newton's method converges from 0 where the two kinds of flights overlap");
}

/* Normal coordinates z: a point is mode + z factor', with the Cholesky factor of the covariance. */
typedef struct {
    double mode[2];
    double a, b, d; /* of [[a, 0], [b, d]] */
} Normal;

static Normal new_normal(const double mode[2], const double covariance[4])
{
    Normal n;
    n.mode[0] = mode[0];
    n.mode[1] = mode[1];
    n.a = sqrt(covariance[0]);
    n.b = covariance[2] / n.a;
    n.d = sqrt(covariance[3] - n.b * n.b);
    return n;
}

static void point(const Normal *n, const double z[2], double out[2])
{
    out[0] = n->mode[0] + n->a * z[0];
    out[1] = n->mode[1] + (n->b * z[0] + n->d * z[1]);
}

/* The energies at the points that have the rows of z for coordinates. */
static bg_node energies_at(bg_graph *g, Model m, const Normal *n, bg_node z)
{
    double factor[4] = {n->a, n->b, 0, n->d};
    bg_node turned = bg_matmul(g, z, bg_tensor(g, BG_F64, factor, (size_t[]){2, 2}, 2));
    bg_node batch = bg_add(g, turned, bg_vector_f64(g, n->mode, 2)), out = BG_NULL;
    bg_vmap(g, &m.energy, 1, &m.parameters, &batch, 1, &out);
    return out;
}

/* ---- what is told of a distribution ---- */

/* Mean and deviation of each parameter, and the chance of damage in the cold. */
typedef struct {
    double mean[2], deviation[2], cold;
} Summary;

/* Of n points; without weights all count the same. */
static Summary summarise(double (*points)[2], const double *weights, size_t n)
{
    Summary s = {{0, 0}, {0, 0}, 0};
    double total = 0, square[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        double weight = weights == NULL ? 1 : weights[i];
        total += weight;
        s.cold += weight * chance(points[i], COLD);
        for (int k = 0; k < 2; k++) {
            s.mean[k] += weight * points[i][k];
            square[k] += weight * points[i][k] * points[i][k];
        }
    }
    s.cold /= total;
    for (int k = 0; k < 2; k++) {
        s.mean[k] /= total;
        s.deviation[k] = sqrt(square[k] / total - s.mean[k] * s.mean[k]);
    }
    return s;
}

static void print_summary(const char *name, Summary s)
{
    printf("%-8s %6.2f +- %4.2f  %6.2f +- %4.2f    %.3f\n", name, s.mean[0], s.deviation[0], s.mean[1],
           s.deviation[1], s.cold);
}

/* ---- Hamiltonian Monte Carlo ---- */

/* One chain's draws after the other's. */
static double draws[CHAINS * DRAWS][2];

static double kinetic(const double p[2])
{
    return 0.5 * (p[0] * p[0] + p[1] * p[1]);
}

/* Fills in the draws of all chains. The share of moves that were accepted. */
static double sample(bg_graph *g, Model m, const Normal *laplace)
{
    static double momenta[ROUNDS][CHAINS][2], uniform[ROUNDS][CHAINS];
    static double z[CHAINS][2], gradient[CHAINS][2], energies[CHAINS];
    static double old_z[CHAINS][2], old_gradient[CHAINS][2], old_energies[CHAINS], start[CHAINS];

    /* Energy and gradient of all chains at once. */
    bg_node position = bg_normal(g, BG_F64, (size_t[]){CHAINS, 2}, 2, 0.0, 1.0), slope = BG_NULL;
    bg_set_requires_grad(g, position, true);
    bg_node energy = energies_at(g, m, laplace, position);
    bg_grad(g, bg_sum_all(g, energy), BG_NULL, &position, 1, &slope, false);
    bg_node normals = bg_normal(g, BG_F64, (size_t[]){ROUNDS, 2 * CHAINS}, 2, 0.0, 1.0);
    bg_node uniforms = bg_uniform(g, BG_F64, (size_t[]){ROUNDS, CHAINS}, 2, 0.0, 1.0);
    bg_read(g, normals, momenta, sizeof momenta);
    bg_read(g, uniforms, uniform, sizeof uniform);
    bg_read(g, position, z, sizeof z);
    bg_read(g, slope, gradient, sizeof gradient);
    bg_read(g, energy, energies, sizeof energies);

    int accepted = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double(*p)[2] = momenta[round];
        memcpy(old_z, z, sizeof z);
        memcpy(old_gradient, gradient, sizeof gradient);
        memcpy(old_energies, energies, sizeof energies);
        /* Leapfrog: half a step of the momenta, steps of both in turn, and half a step less at the end. */
        for (int c = 0; c < CHAINS; c++) {
            start[c] = energies[c] + kinetic(p[c]);
            for (int k = 0; k < 2; k++)
                p[c][k] -= 0.5 * STEP * gradient[c][k];
        }
        for (int leap = 1; leap <= LEAPS; leap++) {
            for (int c = 0; c < CHAINS; c++)
                for (int k = 0; k < 2; k++)
                    z[c][k] += STEP * p[c][k];
            bg_write(g, position, z, sizeof z);
            bg_read(g, slope, gradient, sizeof gradient);
            double part = leap < LEAPS ? STEP : 0.5 * STEP;
            for (int c = 0; c < CHAINS; c++)
                for (int k = 0; k < 2; k++)
                    p[c][k] -= part * gradient[c][k];
        }
        bg_read(g, energy, energies, sizeof energies);
        for (int c = 0; c < CHAINS; c++) {
            /* What the steps have got wrong in the total energy is made good here (Metropolis). */
            double gain = start[c] - (energies[c] + kinetic(p[c]));
            if (log(uniform[round][c]) < gain) {
                accepted++;
            } else {
                memcpy(z[c], old_z[c], sizeof z[c]);
                memcpy(gradient[c], old_gradient[c], sizeof gradient[c]);
                energies[c] = old_energies[c];
            }
            if (round >= WARM_UP)
                point(laplace, z[c], draws[c * DRAWS + round - WARM_UP]);
        }
    }
    return (double)accepted / (ROUNDS * CHAINS);
}

/* The standard error of a mean over all draws, from how the means of single chains scatter. */
static double standard_error(int k)
{
    double means[CHAINS], centre = 0, squares = 0;
    for (int c = 0; c < CHAINS; c++) {
        double sum = 0;
        for (int i = 0; i < DRAWS; i++)
            sum += draws[c * DRAWS + i][k];
        means[c] = sum / DRAWS;
        centre += means[c] / CHAINS;
    }
    for (int c = 0; c < CHAINS; c++)
        squares += (means[c] - centre) * (means[c] - centre);
    return sqrt(squares / (CHAINS * (CHAINS - 1)));
}

/* ---- the posterior itself ---- */

/* From its density at the points of a grid, by bg_vmap. */
static Summary summarise_exactly(bg_graph *g, Model m, const Normal *laplace)
{
    static double z[GRID * GRID][2], points[GRID * GRID][2], density[GRID * GRID];
    for (int i = 0; i < GRID * GRID; i++) {
        z[i][0] = (i / GRID - 80) / 10.0;
        z[i][1] = (i % GRID - 80) / 10.0;
        point(laplace, z[i], points[i]);
    }
    bg_node grid = bg_tensor(g, BG_F64, z, (size_t[]){GRID * GRID, 2}, 2);
    bg_node energy = energies_at(g, m, laplace, grid);
    bg_node above = bg_sub(g, energy, bg_amin_all(g, energy));
    bg_read(g, bg_exp(g, bg_neg(g, above)), density, sizeof density);
    return summarise(points, density, GRID * GRID);
}

/* ---- the program ---- */

static bool near(double found, double known)
{
    return fabs(found - known) < 5e-5;
}

static void run(bg_graph *g, double rows[FLIGHTS][2], const double *damaged)
{
    Model model = new_model(g, rows, damaged);
    double at[2], covariance[4];

    /* Without the prior, the lowest point is the maximum of the likelihood, which books have. */
    find_lowest(g, model, at, covariance);
    double slope = at[1] / 10, intercept = at[0] - 70 * slope;
    double intercept_error = sqrt(covariance[0] - 14 * covariance[1] + 49 * covariance[3]);
    double slope_error = sqrt(covariance[3]) / 10;
    printf("Maximum likelihood, in degrees Fahrenheit, with standard errors:\n");
    printf("intercept %.4f (%.4f), slope %.4f (%.4f)\n", intercept, intercept_error, slope, slope_error);
    CHECK(near(intercept, 15.0429) && near(slope, -0.2322));
    CHECK(near(intercept_error, 7.3786) && near(slope_error, 0.1082));

    double precision = 1 / (PRIOR_DEVIATION * PRIOR_DEVIATION);
    bg_write(g, model.precision, &precision, sizeof precision);
    find_lowest(g, model, at, covariance);
    Normal normal = new_normal(at, covariance);
    Summary laplace = {{at[0], at[1]}, {sqrt(covariance[0]), sqrt(covariance[3])}, chance(at, COLD)};
    double accepted = sample(g, model, &normal);
    Summary sampled = summarise(draws, NULL, CHAINS * DRAWS);
    Summary exact = summarise_exactly(g, model, &normal);
    printf("\nPosterior, of temperatures in tens of degrees around 70:\n");
    printf("            intercept          slope         damage at 31\n");
    print_summary("Laplace", laplace);
    print_summary("HMC", sampled);
    print_summary("exact", exact);
    printf("accepted: %.1f %%\n", 100 * accepted);

    CHECK(accepted > 0.95);
    for (int k = 0; k < 2; k++) {
        double error = standard_error(k);
        CHECK(error < 0.02 * exact.deviation[k]); /* the chains mix well */
        CHECK(fabs(sampled.mean[k] - exact.mean[k]) < 4 * error);
        CHECK(fabs(sampled.deviation[k] / exact.deviation[k] - 1) < 0.05);
        /* The posterior is skewed: its mean is not its mode. */
        CHECK(fabs(laplace.mean[k] - exact.mean[k]) > 4 * error);
    }
    CHECK(fabs(sampled.cold - exact.cold) < 0.005);
}

int main(int argc, char **argv)
{
    double rows[FLIGHTS][2], damaged[FLIGHTS];
    if (!read_flights(argc > 1 ? argv[1] : "data/orings.csv", rows, damaged))
        return EXIT_FAILURE;
    bg_graph *g = bg_graph_new();
    run(g, rows, damaged);
    /* Whatever went wrong since the graph was made is still remembered here. */
    bool good = bg_last_status(g) == BG_OK;
    if (!good)
        fprintf(stderr, "posterior: %s\n", bg_error_message(g));
    bg_graph_free(g);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
