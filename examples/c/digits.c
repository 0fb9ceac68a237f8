/* Learns to read handwritten digits: a network with one hidden layer, mini-batches and Adam.
 *
 *     digits [file]
 *
 * examples/digits.rs is the same program in Rust, and its losses are the same to the last bit. */

#define _POSIX_C_SOURCE 199309L /* for clock_gettime */

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bumpgrad.h"

enum {
    IMAGES = 1797,
    PIXELS = 64,
    HIDDEN = 64,
    CLASSES = 10,

    /* Images to learn from; the network is tested with the others, which it never sees. */
    TRAIN = 1440,
    TEST = IMAGES - TRAIN,
    BATCH = 32,
    EPOCHS = 30
};

static const double RATE = 0.002;

/* Decides which images are kept for the test, the first weights, and the batches. Others end with
 * 0.964 to 0.986: 357 images are few, and some of them are hard to read for anyone. */
static const uint64_t SEED = 2;

/* ---- the data ---- */

/* Images as rows of numbers from 0 to 1, and which digit each of them is. */
typedef struct {
    float pixels[IMAGES][PIXELS];
    int64_t labels[IMAGES];
} Digits;

/* One line: 64 grey values 0 to 16 and a label 0 to 9. Says what is wrong with it. */
static bool read_line(const char *name, int at, char *line, float *pixels, int64_t *label)
{
    int fields = 1;
    for (const char *c = line; *c != '\0'; c++)
        fields += *c == ',';
    if (fields != PIXELS + 1) {
        fprintf(stderr, "digits: %s:%d: %d numbers expected, not %d\n", name, at, PIXELS + 1, fields);
        return false;
    }
    for (int k = 0; k <= PIXELS; k++) {
        size_t length = strcspn(line, ",");
        line[length] = '\0';
        int largest = k < PIXELS ? 16 : CLASSES - 1;
        char *end;
        long number = strtol(line, &end, 10);
        if (length == 0 || *end != '\0' || number < 0 || number > largest) {
            fprintf(stderr, "digits: %s:%d: number %d should be 0 to %d, not \"%s\"\n", name, at,
                    k + 1, largest, line);
            return false;
        }
        if (k < PIXELS)
            pixels[k] = (float)number / 16;
        else
            *label = number;
        line += length + 1;
    }
    return true;
}

static bool read_digits(const char *name, Digits *digits)
{
    FILE *file = fopen(name, "r");
    if (file == NULL) {
        fprintf(stderr, "digits: %s: %s\n", name, strerror(errno));
        return false;
    }
    char line[1024];
    int count = 0;
    bool good = true;
    while (good && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        float pixels[PIXELS];
        int64_t label = 0;
        good = read_line(name, count + 1, line, pixels, &label);
        if (good && count < IMAGES) {
            memcpy(digits->pixels[count], pixels, sizeof pixels);
            digits->labels[count] = label;
        }
        count++;
    }
    if (good && ferror(file)) {
        fprintf(stderr, "digits: %s: %s\n", name, strerror(errno));
        good = false;
    } else if (good && count != IMAGES) {
        fprintf(stderr, "digits: %s: %d lines expected, not %d\n", name, IMAGES, count);
        good = false;
    }
    fclose(file);
    return good;
}

/* Copies the images of these numbers, one after the other. */
static void select_images(const Digits *digits, const int *numbers, int count,
                          float (*pixels)[PIXELS], int64_t *labels)
{
    for (int i = 0; i < count; i++) {
        memcpy(pixels[i], digits->pixels[numbers[i]], sizeof pixels[i]);
        labels[i] = digits->labels[numbers[i]];
    }
}

/* splitmix64 of G. Steele, D. Lea and C. Flood, 2014: small enough to be written here, so that the
 * Rust program draws the same numbers. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Every order is equally likely, but for a bias of about 2^-53. */
static void shuffle(uint64_t *state, int *list, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int k = (int)(next_random(state) % (uint64_t)(i + 1));
        int swapped = list[i];
        list[i] = list[k];
        list[k] = swapped;
    }
}

/* ---- the network ---- */

/* The parameters: two layers of weights and biases. */
typedef struct {
    bg_node w1, b1, w2, b2;
} Network;

/* Weights with variance 2 / inputs (K. He et al., 2015) keep the signal's size through a relu. */
static bg_node new_weights(bg_graph *g, size_t inputs, size_t outputs)
{
    return bg_normal(g, BG_F32, (size_t[]){inputs, outputs}, 2, 0.0, sqrt(2.0 / (double)inputs));
}

static Network new_network(bg_graph *g)
{
    Network n;
    n.w1 = new_weights(g, PIXELS, HIDDEN);
    n.b1 = bg_zeros(g, BG_F32, (size_t[]){HIDDEN}, 1);
    n.w2 = new_weights(g, HIDDEN, CLASSES);
    n.b2 = bg_zeros(g, BG_F32, (size_t[]){CLASSES}, 1);
    bg_set_requires_grad(g, n.w1, true);
    bg_set_requires_grad(g, n.b1, true);
    bg_set_requires_grad(g, n.w2, true);
    bg_set_requires_grad(g, n.b2, true);
    return n;
}

/* One number a class; the largest is the network's answer. */
static bg_node logits(bg_graph *g, Network n, bg_node images)
{
    bg_node hidden = bg_relu(g, bg_add(g, bg_matmul(g, images, n.w1), n.b1));
    return bg_add(g, bg_matmul(g, hidden, n.w2), n.b2);
}

/* The part of the images that the network reads right. */
static bg_node accuracy(bg_graph *g, Network n, float (*pixels)[PIXELS], const int64_t *labels,
                        size_t count)
{
    bg_node images = bg_tensor(g, BG_F32, pixels, (size_t[]){count, PIXELS}, 2);
    bg_node answers = bg_argmax(g, logits(g, n, images), 1, false);
    bg_node right = bg_eq(g, answers, bg_vector_i64(g, labels, count));
    return bg_mean_all(g, bg_cast(g, right, BG_F64));
}

/* ---- the program ---- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* The most memory this process had, in MB, where the system tells it as Linux does. */
static const char *peak_memory(void)
{
    static char text[32] = "unknown";
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL)
        return text;
    char line[256];
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            snprintf(text, sizeof text, "%.1f", (double)strtol(line + 6, NULL, 10) / 1024);
    fclose(status);
    return text;
}

/* Trains the network on the first TRAIN of these images and tests it with the others. */
static bool learn(bg_graph *g, const Digits *digits, double start)
{
    static float train_pixels[TRAIN][PIXELS], test_pixels[TEST][PIXELS], pixels[BATCH][PIXELS];
    static int64_t train_labels[TRAIN], test_labels[TEST], labels[BATCH];
    static int numbers[IMAGES];

    uint64_t random = SEED;
    for (int i = 0; i < IMAGES; i++)
        numbers[i] = i;
    shuffle(&random, numbers, IMAGES);
    select_images(digits, numbers, TRAIN, train_pixels, train_labels);
    select_images(digits, numbers + TRAIN, TEST, test_pixels, test_labels);

    /* Everything is recorded once, and nothing is computed yet. Whoever reads a value below gets
     * it for the data that the leaves hold then: the batch that was written, the weights of now. */
    bg_set_seed(g, SEED);
    Network network = new_network(g);
    bg_node images = bg_zeros(g, BG_F32, (size_t[]){BATCH, PIXELS}, 2);
    bg_node classes = bg_zeros(g, BG_I64, (size_t[]){BATCH}, 1);
    bg_node loss = bg_cross_entropy(g, logits(g, network, images), classes);
    bg_node train_accuracy = accuracy(g, network, train_pixels, train_labels, TRAIN);
    bg_node test_accuracy = accuracy(g, network, test_pixels, test_labels, TEST);

    double train_part = 0, test_part = 0;
    for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        /* Smaller and smaller steps, so that the network comes to rest. */
        bg_adam_options adam = BG_ADAM_OPTIONS_INIT;
        adam.rate = RATE * (EPOCHS - epoch + 1) / EPOCHS;
        shuffle(&random, numbers, TRAIN);
        double total = 0;
        for (int i = 0; i < TRAIN; i += BATCH) {
            double batch_loss = 0;
            select_images(digits, numbers + i, BATCH, pixels, labels);
            bg_write(g, images, pixels, sizeof pixels);
            bg_write(g, classes, labels, sizeof labels);
            bg_zero_grads(g);
            bg_backward(g, loss);
            bg_item(g, loss, &batch_loss); /* backward has computed it already */
            bg_adam_step(g, &adam);
            total += batch_loss;
        }
        bg_item(g, train_accuracy, &train_part);
        bg_item(g, test_accuracy, &test_part);
        /* Whatever went wrong since the graph was made is still remembered here. */
        if (bg_last_status(g) != BG_OK) {
            fprintf(stderr, "digits: %s\n", bg_error_message(g));
            return false;
        }
        printf("epoch %2d  loss %.12f  accuracy: train %.3f, test %.3f  %.2f s\n", epoch,
               total / (TRAIN / BATCH), train_part, test_part, now() - start);
        fflush(stdout);
    }
    printf("%.2f seconds, %s MB at most\n", now() - start, peak_memory());
    printf("test accuracy %.3f\n", test_part);
    return true;
}

int main(int argc, char **argv)
{
    static Digits digits;
    double start = now();
    if (!read_digits(argc > 1 ? argv[1] : "data/digits.csv", &digits))
        return EXIT_FAILURE;
    bg_graph *g = bg_graph_new();
    bool good = learn(g, &digits, start);
    bg_graph_free(g);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
