/* Greeks of a book of options, in thousands of scenarios.
 *
 * The price of one option is recorded once, as in a textbook. bg_vmap makes a book of it, bg_grad the
 * Greeks of the book, and bg_vmap again has them for all scenarios; all of that is checked against the
 * formulas in closed form. examples/greeks.rs is the same program in Rust; it draws a picture, too. */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "bumpgrad.h"

enum {
    /* Options in the book. */
    OPTIONS = 100,

    /* Scenarios: each of these spot prices, from 51 to 150, with each volatility, from 10 to 49 per cent. */
    SPOTS = 100,
    VOLATILITIES = 40,
    SCENARIOS = SPOTS * VOLATILITIES,

    GREEKS = 5
};

static const char *const NAMES[GREEKS] = {"price", "delta", "vega", "gamma", "rho"};

/* What an option is, and what the market says. */
typedef struct {
    bg_node kind, strike, time, spot, volatility, rate;
} Inputs;

/* The price of a European call (kind 1) or put (-1) after F. Black and M. Scholes, 1973. */
static bg_node price(bg_graph *g, Inputs in)
{
    bg_node deviation = bg_mul(g, in.volatility, bg_sqrt(g, in.time));
    bg_node half = bg_scale(g, bg_mul(g, in.volatility, in.volatility), 0.5);
    bg_node drift = bg_mul(g, bg_add(g, in.rate, half), in.time);
    bg_node d1 = bg_div(g, bg_add(g, bg_log(g, bg_div(g, in.spot, in.strike)), drift), deviation);
    bg_node d2 = bg_sub(g, d1, deviation);
    bg_node discount = bg_exp(g, bg_neg(g, bg_mul(g, in.rate, in.time)));
    bg_node discounted = bg_mul(g, in.strike, discount);
    bg_node gain = bg_mul(g, in.spot, bg_ndtr(g, bg_mul(g, in.kind, d1)));
    bg_node cost = bg_mul(g, discounted, bg_ndtr(g, bg_mul(g, in.kind, d2)));
    return bg_mul(g, in.kind, bg_sub(g, gain, cost));
}

/* A value, its slopes, and the slope of a slope, as nodes in the order of NAMES. */
static void greeks(bg_graph *g, bg_node value, Inputs in, bg_node out[GREEKS])
{
    bg_node slopes[3] = {BG_NULL, BG_NULL, BG_NULL}, gamma = BG_NULL;
    bg_grad(g, value, BG_NULL, (bg_node[]){in.spot, in.volatility, in.rate}, 3, slopes, false);
    bg_grad(g, slopes[0], BG_NULL, &in.spot, 1, &gamma, false);
    out[0] = value;
    out[1] = slopes[0];
    out[2] = slopes[1];
    out[3] = gamma;
    out[4] = slopes[2];
}

/* The options in plain numbers. */
typedef struct {
    double kind[OPTIONS], strike[OPTIONS], time[OPTIONS], quantity[OPTIONS];
} Book;

/* Calls and puts, bought and sold, with strikes from 60 to 140 and up to two years to go. */
static void make_book(Book *book)
{
    for (int i = 0; i < OPTIONS; i++) {
        book->kind[i] = i % 2 == 0 ? 1 : -1;
        book->strike[i] = 60 + 4 * (i % 21);
        book->time[i] = 0.25 * (1 + i % 8);
        book->quantity[i] = 7 * i % 11 - 4;
    }
}

static double normal(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

/* The same price and its Greeks in closed form, in the order of NAMES. */
static void closed_form(double kind, double strike, double time, double spot, double volatility,
                        double rate, double out[GREEKS])
{
    double deviation = volatility * sqrt(time);
    double d1 = (log(spot / strike) + (rate + volatility * volatility / 2) * time) / deviation;
    double n1 = normal(kind * d1), n2 = normal(kind * (d1 - deviation));
    double discounted = strike * exp(-rate * time);
    double density = exp(-d1 * d1 / 2) / sqrt(2 * acos(-1.0));
    out[0] = kind * (spot * n1 - discounted * n2);
    out[1] = kind * n1;
    out[2] = spot * density * sqrt(time);
    out[3] = density / (spot * deviation);
    out[4] = kind * discounted * time * n2;
}

/* How far the book's numbers are from the closed form at most, in proportion to what the single
 * options amount to, since bought and sold ones cancel. */
static double worst(const Book *book, const double *spots, const double *volatilities,
                    double found[GREEKS][SCENARIOS])
{
    double worst = 0;
    for (int s = 0; s < SCENARIOS; s++) {
        double net[GREEKS] = {0}, gross[GREEKS] = {0};
        for (int k = 0; k < OPTIONS; k++) {
            double each[GREEKS];
            closed_form(book->kind[k], book->strike[k], book->time[k], spots[s], volatilities[s],
                        0.05, each);
            for (int i = 0; i < GREEKS; i++) {
                net[i] += book->quantity[k] * each[i];
                gross[i] += fabs(book->quantity[k] * each[i]);
            }
        }
        for (int i = 0; i < GREEKS; i++) {
            double off = fabs(found[i][s] - net[i]) / gross[i];
            if (!(off <= worst)) /* NaN, too */
                worst = off;
        }
    }
    return worst;
}

static bg_node parameter(bg_graph *g, double value)
{
    return bg_param(g, BG_F64, &value, NULL, 0);
}

/* Prints all of it; whether it is right. */
static bool run(bg_graph *g)
{
    Inputs in = {parameter(g, 1), parameter(g, 100), parameter(g, 1),
                 parameter(g, 100), parameter(g, 0.2), parameter(g, 0.05)};
    bg_node one[GREEKS];
    greeks(g, price(g, in), in, one);

    /* The book: the terms become vectors; what the market says is shared by all options. */
    static Book book;
    make_book(&book);
    bg_node terms[3] = {bg_vector_f64(g, book.kind, OPTIONS), bg_vector_f64(g, book.strike, OPTIONS),
                        bg_vector_f64(g, book.time, OPTIONS)};
    bg_node prices = BG_NULL, of_book[GREEKS];
    bg_vmap(g, one, 1, (bg_node[]){in.kind, in.strike, in.time}, terms, 3, &prices);
    greeks(g, bg_dot(g, prices, bg_vector_f64(g, book.quantity, OPTIONS)), in, of_book);

    /* Scenarios: now what the market says becomes vectors. */
    static double spots[SCENARIOS], volatilities[SCENARIOS], found[GREEKS][SCENARIOS];
    for (int s = 0; s < SCENARIOS; s++) {
        spots[s] = 51 + s % SPOTS;
        volatilities[s] = 0.1 + 0.01 * (s / SPOTS);
    }
    bg_node market[2] = {bg_vector_f64(g, spots, SCENARIOS), bg_vector_f64(g, volatilities, SCENARIOS)};
    bg_node all[GREEKS];
    bg_vmap(g, of_book, GREEKS, (bg_node[]){in.spot, in.volatility}, market, 2, all);

    /* Read when all is recorded: what is recorded after a reading may hold for that value only, which
     * bg_vmap refuses. */
    printf("One call, at the money, a year to go:\n");
    static const double known[GREEKS] = {10.450584, 0.636831, 37.524035, 0.018762, 53.232482};
    for (int i = 0; i < GREEKS; i++) {
        double value = NAN;
        bg_item(g, one[i], &value);
        printf("%-6s %10.6f\n", NAMES[i], value);
        if (!(fabs(value - known[i]) < 5e-7))
            return false;
    }
    for (int i = 0; i < GREEKS; i++)
        bg_read(g, all[i], found[i], sizeof found[i]);
    /* Whatever went wrong since the graph was made is still remembered here. */
    if (bg_last_status(g) != BG_OK || !(worst(&book, spots, volatilities, found) < 1e-12))
        return false;

    printf("\nA book of %d options in %d scenarios, right to 12 digits:\n", OPTIONS, SCENARIOS);
    printf("  spot  vol. %10s %10s %10s %10s %10s\n", "value", "delta", "vega", "gamma", "rho");
    static const int shown[] = {1024, 1049, 1074, 3024, 3049, 3074};
    for (int k = 0; k < 6; k++) {
        printf("%6.0f  %.2f", spots[shown[k]], volatilities[shown[k]]);
        for (int i = 0; i < GREEKS; i++)
            printf(" %10.3f", found[i][shown[k]]);
        printf("\n");
    }
    return true;
}

int main(void)
{
    bg_graph *g = bg_graph_new();
    bool good = run(g);
    if (!good)
        fprintf(stderr, "greeks: %s\n",
                bg_last_status(g) == BG_OK ? "not the known numbers" : bg_error_message(g));
    bg_graph_free(g);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
