/*
bumpgrad: reverse-mode automatic differentiation of tensor programs on the CPU.

A graph records operations; recording computes nothing. Reading a value (bg_read, bg_item, bg_data),
or bg_backward, computes what is needed and nothing else. A value is a function of the present data
of the leaves: after bg_write, reading again computes again.

    bg_graph *g = bg_graph_new();
    bg_node x = bg_param_f32(g, (float[]){0, 1, 2, 3}, 4);
    bg_node y = bg_scale(g, bg_dot(g, x, x), 2.0);
    float dx[4];
    bg_backward(g, y);
    if (bg_read_grad(g, x, dx, sizeof dx) != BG_OK)
        fprintf(stderr, "%s\n", bg_error_message(g));
    bg_graph_free(g);

These rules hold for every function; below is said only where one differs.

Errors. The graph remembers the first error. An operation that fails returns a null node, and null
in gives null out, so that expressions need no checks. A function that returns bg_status first
reports a remembered error, and then does nothing else; otherwise it reports its own, which is
remembered too. The error stays until bg_clear_error. Functions that return void act in any case.
No function aborts, exits or throws; exhausted memory is BG_ERR_MEMORY. (The C library may end the
process itself when it has no memory for the variables of a new thread: with bg_set_num_threads(g, 1)
no thread is started.) BG_ERR_INTERNAL tells of a
defect of this library: the call has done nothing, and the graph can be used; unless parameters or
gradients were being changed, when every further use of their nodes is refused until bg_reset.

NULL. A NULL graph is allowed everywhere and does nothing: nodes are null, counts 0, pointers NULL,
and a status is BG_ERR_MEMORY, as when bg_graph_new found no memory. NULL for an array is an error,
unless its length is 0. What cannot be checked is the caller's duty: that any other pointer is
valid, with as much behind it as the length given with it, or the shape and type, say.

Ownership. A graph owns all its nodes and data. Nodes are small values that are copied and never
freed; they are valid until bg_rewind or bg_reset drops them. Using one later, or with another
graph, is BG_ERR_HANDLE. Data and lists given to the library are copied during the call, and may have
any alignment; so may what it writes to. A graph is released by bg_graph_free.

Threads. One thread at a time uses a graph, which may be another one each time; different graphs
are independent. A call that finds its graph in use by another call is refused with BG_ERR_BUSY,
and a null node, and nothing is remembered: an aid to find mistakes, not a lock. Inside of a call,
worker threads of the library, which all graphs share, may help: see bg_set_num_threads. They block
all signals but those of their own faults. A process may fork when no other thread is inside of the
library: its child may use all graphs that it finds. A thread that is cancelled (pthread_cancel)
inside of a call is so after it; its cancellation must not be asynchronous.

Numbers. Calls compute in the default floating-point environment (to nearest, without traps, and
without flushing but for bg_set_flush_subnormals), on all threads, and leave the caller's, control
and exceptions seen, as it was. Where the same bits are promised, the sign and the payload of a NaN
are excepted.

Tensors. Row-major, of rank 0 to BG_MAX_RANK. The element types are BG_F32, BG_F64, BG_I64 and BG_U8;
operations want float types (BG_F32, BG_F64) unless they say otherwise, and the same one for all
operands: see bg_cast. Operands are broadcast to one another as in NumPy: axes are aligned at the
right, and an axis of length 1 (or a missing one) is repeated. Axes count from 0, negative ones from
the end. Reductions take n axes, and n == 0 means all; `keepdim` keeps them with length 1. Gradients
flow through every operation unless it says otherwise, and follow PyTorch where there is a choice.

Lists of results go to `out`, as far as `capacity` reaches; null nodes fill what is left of it. How many
results there are is returned, as snprintf does, and may be more; 0 when there is an error.

Structs that begin with struct_size are to be initialised by their macro, such as BG_OPTIONS_INIT. A
size below that of a struct with one field, or above 4096, is refused; fields that do not fit into it
are left out.
*/

#ifndef BUMPGRAD_H
#define BUMPGRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The null node: "none" where a node may be null, and what an operation that fails returns. */
#ifdef __cplusplus
#define BG_NULL (bg_node{0, 0})
#else
#define BG_NULL ((bg_node){0, 0})
#endif

/* Initialisers of structs that begin with their size, with the defaults. */
#define BG_OPTIONS_INIT { sizeof(bg_options), 0, 0 }
#define BG_MEMORY_INIT { sizeof(bg_memory), 0, 0, 0, 0, 0 }
#define BG_PLANNED_MEMORY_INIT { sizeof(bg_planned_memory), 0, 0, 0, 0, 0, 0 }
#define BG_CUSTOM_INIT \
    { sizeof(bg_custom), NULL, 1, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL }
#define BG_GRADCHECK_OPTIONS_INIT { sizeof(bg_gradcheck_options), 6e-6, 1e-7, 1e-5 }
#define BG_GRADCHECK_RESULT_INIT { sizeof(bg_gradcheck_result), 0, 0, 0, 0, 0, 0 }
#define BG_SGD_OPTIONS_INIT { sizeof(bg_sgd_options), 0.01, 0.0, 0.0, 0.0, false, false }
#define BG_ADAM_OPTIONS_INIT { sizeof(bg_adam_options), 0.001, 0.9, 0.999, 1e-8, 0.0, false, false }
#define BG_ADAMW_OPTIONS_INIT { sizeof(bg_adam_options), 0.001, 0.9, 0.999, 1e-8, 0.01, false, false }
#define BG_RMSPROP_OPTIONS_INIT \
    { sizeof(bg_rmsprop_options), 0.01, 0.99, 1e-8, 0.0, 0.0, false, false }
#define BG_ADAGRAD_OPTIONS_INIT { sizeof(bg_adagrad_options), 0.01, 0.0, 0.0, 1e-10, 0.0, false }
#define BG_LION_OPTIONS_INIT { sizeof(bg_lion_options), 0.0001, 0.9, 0.99, 0.0, false }
#define BG_SEARCH_RESULT_INIT { sizeof(bg_search_result), 0.0, 0.0, 0, 0, 0 }
#define BG_LBFGS_OPTIONS_INIT { sizeof(bg_lbfgs_options), 10, 1000, 1e-8, 0.0, NULL, NULL, 0 }
#define BG_LEVENBERG_MARQUARDT_OPTIONS_INIT \
    { sizeof(bg_levenberg_marquardt_options), 2000, 1e-15, 1e-15, 1e-15, 100.0, false }
#define BG_TRUST_REGION_OPTIONS_INIT { sizeof(bg_trust_region_options), 500, 1e-8, 1.0, 1e6 }

/* For callbacks in C++, which no exception may leave: calls f, and makes of an exception a message of the
call and the number that the callback returns. */
#if defined(__cplusplus) && defined(__cpp_exceptions)
extern "C++" {
#include <exception>
namespace bg {
template <class Call> void tell(const Call *call, const char *text) noexcept {
    size_t i = 0;
    for (; text[i] != 0 && i + 1 < call->message_capacity; i++) {
        call->message[i] = text[i];
    }
    call->message[i] = 0;
}
template <class Call, class F> int32_t guarded(const Call *call, F &&f) noexcept {
    try {
        f();
        return 0;
    } catch (const std::exception &error) {
        tell(call, error.what());
    } catch (...) {
        tell(call, "it threw what is no std::exception");
    }
    return -1;
}
}
}
#endif

// Element type: IEEE single precision; differentiable.
#define BG_F32 1

// Element type: IEEE double precision; differentiable.
#define BG_F64 2

// Element type: signed 64-bit integers, for indices and classes.
#define BG_I64 3

// Element type: unsigned bytes, for masks of 0 and 1.
#define BG_U8 4

// Of a loss: those of the single elements or rows.
#define BG_REDUCE_NONE 0

// Of a loss: the mean over elements or rows.
#define BG_REDUCE_MEAN 1

// Of a loss: the sum over elements or rows.
#define BG_REDUCE_SUM 2

// The largest rank of a tensor.
#define BG_MAX_RANK 8

// The version of this header: rises when programs must change.
#define BG_VERSION_MAJOR 0

// The version of this header: rises when there is something new.
#define BG_VERSION_MINOR 1

// The version of this header: rises when something was mended.
#define BG_VERSION_PATCH 0

// The version of this header as one number: 1000000 major + 1000 minor + patch.
#define BG_VERSION 1000

// Jacobian: in the mode that takes fewer passes.
#define BG_AUTO 0

// Jacobian: row by row, by gradients.
#define BG_REVERSE 1

// Jacobian: column by column, by tangents.
#define BG_FORWARD 2

// No optimiser: see bg_optimiser.
#define BG_OPTIMISER_NONE 0

// SGD with momentum. Moment 0: the velocity. (Without momentum it keeps nothing, and counts no steps.)
#define BG_OPTIMISER_SGD 1

// Adam and AdamW. Moments: the mean gradient, the root of the mean squared gradient and, of AMSGrad, the
// largest that this was.
#define BG_OPTIMISER_ADAM 2

// RMSProp. Moments: the root of the mean squared gradient, the mean gradient if it is centered, the
// velocity if there is momentum.
#define BG_OPTIMISER_RMSPROP 3

// Adagrad. Moment 0: the root of the sum of squared gradients.
#define BG_OPTIMISER_ADAGRAD 4

// Lion. Moment 0: the mean gradient.
#define BG_OPTIMISER_LION 5

// How many moments an optimiser may keep for a parameter.
#define BG_MOMENTS 3

// A search ended because the gradient is as small as was wanted.
#define BG_ENDED_GRADIENT 1

// A search ended because the value falls no more than was wanted.
#define BG_ENDED_VALUE 2

// A search ended because the steps are as small as was wanted.
#define BG_ENDED_STEP 3

// A search ended because rounding hides any further descent, or there is no value or no derivative where
// it is, or around it: one that is infinite or NaN. Then `gradient` is infinite or NaN, or `value` is.
#define BG_ENDED_ROUNDING 4

// A search ended because as many iterations were made as were allowed.
#define BG_ENDED_ITERATIONS 5

// A search ended because the value falls along a line as far as that was followed: to minus infinity, or
// over 18 orders of magnitude. It is unbounded below, so far as that can be seen.
#define BG_ENDED_UNBOUNDED 6

// Flag of an operation: its results are no function of its inputs, or computing them does something else
// besides. It is run once in each replay, as dropout draws: again after any leaf was written or
// bg_resample was called, and no more until then, so that a value and its gradient come from one run.
#define BG_CUSTOM_IMPURE 1

// Flag of an operation: its callbacks may be given tensors that all have more axes in front, the same
// for all, by bg_vmap, which otherwise calls them once for each element of a batch.
#define BG_CUSTOM_TAKES_BATCHES 2

// bg_format_graph, bg_format_plan: lines for people, one a node or a few a step.
#define BG_TEXT 0

// bg_format_graph, bg_format_plan: a drawing for Graphviz.
#define BG_DOT 1

// What a function reports. The numbers never change their meaning.
typedef enum {
  // No error.
  BG_OK = 0,
  // An argument is out of its allowed range.
  BG_ERR_ARGUMENT = 1,
  // Shapes or sizes do not fit together.
  BG_ERR_SHAPE = 2,
  // Element types do not fit together.
  BG_ERR_DTYPE = 3,
  // A node is null, of another graph, or dropped by bg_rewind or bg_reset.
  BG_ERR_HANDLE = 4,
  // Memory, or the graph's memory limit, is exhausted; or the graph is NULL.
  BG_ERR_MEMORY = 5,
  // A gradient was asked for where there is none.
  BG_ERR_GRADIENT = 6,
  // An index in the data is out of bounds.
  BG_ERR_INDEX = 7,
  // The graph is in use by another call.
  BG_ERR_BUSY = 8,
  // A fixed capacity is exceeded: the number of nodes, the rank of a tensor, the address space.
  BG_ERR_LIMIT = 9,
  // A defect of this library.
  BG_ERR_INTERNAL = 10,
  // A function of the caller's has failed.
  BG_ERR_CALLBACK = 11,
  // A number is infinite or none: see bg_check_numbers.
  BG_ERR_NUMBER = 12,
} bg_status;

// A recording of operations with all its data. Made by bg_graph_new, released by bg_graph_free.
typedef struct bg_graph bg_graph;

// Options of bg_graph_new_with. Start from BG_OPTIONS_INIT.
typedef struct {
  // sizeof(bg_options)
  size_t struct_size;
  // As for bg_set_memory_limit. Default: 0, no limit.
  size_t memory_limit;
  // As for bg_set_seed. Default: 0.
  uint64_t seed;
} bg_options;

// A tensor of a graph, passed by value. It is BG_NULL (see bg_is_null) when the operation that
// should have made it failed. Its fields are the library's business.
typedef struct {
  uint32_t id;
  uint32_t tag;
} bg_node;

// A place in the recording, to which bg_rewind goes back. Made by bg_mark.
typedef struct {
  uint32_t nodes;
  uint32_t lists;
  uint32_t tag;
  uint32_t check;
} bg_place;

// Memory of a graph, in bytes. Start from BG_MEMORY_INIT.
typedef struct {
  // sizeof(bg_memory)
  size_t struct_size;
  // In tensors that hold values or gradients now.
  size_t live;
  // Taken from the system for tensors, in use or kept for reuse.
  size_t pooled;
  // The largest `live` so far.
  size_t peak;
  // Taken from the system for the recording: nodes, shapes, labels.
  size_t records;
  // Taken from the system for plans, and for making and running them.
  size_t plans;
} bg_memory;

// What memory an evaluation takes, in bytes, and what it computes more than once. Start from
// BG_PLANNED_MEMORY_INIT.
typedef struct {
  // sizeof(bg_planned_memory)
  size_t struct_size;
  // What tensors take before: `live` of bg_memory_stats.
  size_t live;
  // Values and gradients that are added, and stay.
  size_t kept;
  // Memory that is used while it runs, and given back.
  size_t scratch;
  // The most that tensors take at a time: the sum.
  size_t peak;
  // How many steps it takes.
  size_t steps;
  // How many of them make again what was made, and could not be kept.
  size_t repeated;
} bg_planned_memory;

// Options of bg_gradcheck. Start from BG_GRADCHECK_OPTIONS_INIT, which sets the defaults.
typedef struct {
  // sizeof(bg_gradcheck_options)
  size_t struct_size;
  // By how much an element is moved, times the larger of 1 and its size. Default: 6e-6.
  double step;
  // How far a derivative may be from the difference quotient in any case. Default: 1e-7.
  double absolute;
  // And how far in proportion to it. Default: 1e-5.
  double relative;
} bg_gradcheck_options;

// What bg_gradcheck found. Start from BG_GRADCHECK_RESULT_INIT.
typedef struct {
  // sizeof(bg_gradcheck_result)
  size_t struct_size;
  // Which input has the element that is farthest off, in proportion to its tolerance.
  size_t input;
  // Which element of it that is.
  size_t element;
  // The derivative there, by reverse mode.
  double derivative;
  // The difference quotient there.
  double difference;
  // The product of u and J v by forward mode, for scattered u and v.
  double forward;
  // The product of J' u and v by reverse mode: the same, but for rounding.
  double reverse;
} bg_gradcheck_result;

// Options of bg_sgd_step. Start from BG_SGD_OPTIONS_INIT, which sets the defaults.
typedef struct {
  // sizeof(bg_sgd_options)
  size_t struct_size;
  // Learning rate. Default: 0.01.
  double rate;
  // Default: 0.
  double momentum;
  // Adds weight_decay p to the gradient of p. Default: 0.
  double weight_decay;
  // How much of the gradient is kept from the velocity, after the first step. Default: 0.
  double dampening;
  // Nesterov's momentum, which wants momentum and no dampening. Default: false.
  bool nesterov;
  // Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
  bool maximize;
} bg_sgd_options;

// Options of bg_adam_step and bg_adamw_step. Start from BG_ADAM_OPTIONS_INIT or
// BG_ADAMW_OPTIONS_INIT, which set the defaults.
typedef struct {
  // sizeof(bg_adam_options)
  size_t struct_size;
  // Learning rate. Default: 0.001.
  double rate;
  // Decay of the running mean of gradients. Default: 0.9.
  double beta1;
  // Decay of the running mean of squared gradients. Default: 0.999.
  double beta2;
  // Default: 1e-8.
  double epsilon;
  // For bg_adam_step: adds weight_decay p to the gradient of p. Default: 0. For bg_adamw_step:
  // subtracts rate weight_decay p from p. Default: 0.01.
  double weight_decay;
  // Divides by the largest second moment so far (S. Reddi, S. Kale, S. Kumar, 2018). Default: false.
  bool amsgrad;
  // Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
  bool maximize;
} bg_adam_options;

// Options of bg_rmsprop_step. Start from BG_RMSPROP_OPTIONS_INIT, which sets the defaults.
typedef struct {
  // sizeof(bg_rmsprop_options)
  size_t struct_size;
  // Learning rate. Default: 0.01.
  double rate;
  // Decay of the running averages. Default: 0.99.
  double smoothing;
  // Default: 1e-8.
  double epsilon;
  // Default: 0.
  double momentum;
  // Adds weight_decay p to the gradient of p. Default: 0.
  double weight_decay;
  // Divides by the root of the variance, not of the mean square. Default: false.
  bool centered;
  // Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
  bool maximize;
} bg_rmsprop_options;

// Options of bg_adagrad_step. Start from BG_ADAGRAD_OPTIONS_INIT, which sets the defaults.
typedef struct {
  // sizeof(bg_adagrad_options)
  size_t struct_size;
  // Learning rate. Default: 0.01.
  double rate;
  // At step t, from 0 on, the rate is divided by 1 + t rate_decay. Default: 0.
  double rate_decay;
  // What the sums of squares begin with. Default: 0.
  double initial;
  // Default: 1e-10.
  double epsilon;
  // Adds weight_decay p to the gradient of p. Default: 0.
  double weight_decay;
  // Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
  bool maximize;
} bg_adagrad_options;

// Options of bg_lion_step. Start from BG_LION_OPTIONS_INIT, which sets the defaults.
typedef struct {
  // sizeof(bg_lion_options)
  size_t struct_size;
  // Learning rate. Default: 0.0001.
  double rate;
  // How much of the mean gradient counts in a step. Default: 0.9.
  double beta1;
  // How much of the mean gradient stays. Default: 0.99.
  double beta2;
  // Subtracts rate weight_decay p from p. Default: 0.
  double weight_decay;
  // Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
  bool maximize;
} bg_lion_options;

// Options of bg_lbfgs. Start from BG_LBFGS_OPTIONS_INIT, which sets the defaults.
typedef struct {
  // sizeof(bg_lbfgs_options)
  size_t struct_size;
  // How many of the last steps are remembered. Default: 10.
  size_t history;
  // Steps, at most. Default: 1000.
  size_t iterations;
  // It ends when no element of the gradient is larger: for a loss that is far from 1 choose it anew.
  // Default: 1e-8.
  double gradient_tolerance;
  // It ends when a step lowers the value by no more than this part of it; 0 to go on as long as the
  // gradient becomes smaller. Default: 0.
  double value_tolerance;
  // What variables must not be below, if it is not NULL: a number, which may be infinite, for each
  // element of the parameters, one parameter after the other, row-major. From outside, a variable
  // begins at its nearest bound. Default: NULL.
  const double *lower;
  // What they must not be above. Default: NULL.
  const double *upper;
  // How many numbers these lists have, each that is not NULL. Default: 0.
  size_t bounds;
} bg_lbfgs_options;

// Where a search ended. Start from BG_SEARCH_RESULT_INIT, which sets the size.
typedef struct {
  // sizeof(bg_search_result)
  size_t struct_size;
  // The value there; of a least-squares fit, the sum of squares.
  double value;
  // The size of the largest element of the gradient there, as far as bounds allow a step down; of a
  // least-squares fit, the largest cosine between the residuals and a column of the Jacobian.
  double gradient;
  // Steps that were taken.
  size_t iterations;
  // Values that were computed.
  size_t evaluations;
  // Why it ended: one of BG_ENDED_.
  int32_t ended;
} bg_search_result;

// Options of bg_levenberg_marquardt. Start from BG_LEVENBERG_MARQUARDT_OPTIONS_INIT, which sets the
// defaults.
typedef struct {
  // sizeof(bg_levenberg_marquardt_options)
  size_t struct_size;
  // Steps that are tried, at most. Default: 2000.
  size_t iterations;
  // It ends when a step would lower and lowers the sum of squares by no more than this part of it.
  // Default: 1e-15.
  double value_tolerance;
  // It ends when steps are shorter than this part of the parameters, each in its scale. Default:
  // 1e-15.
  double step_tolerance;
  // It ends when no cosine between the residuals and a column of the Jacobian is larger. Default:
  // 1e-15.
  double gradient_tolerance;
  // How far the first step may go, relative to the parameters. Default: 100.
  double radius;
  // Finds steps by conjugate gradients on products with the Jacobian and its transpose, and does without
  // the matrix: for many parameters. Not for bg_levenberg_marquardt_function. Default: false.
  bool matrix_free;
} bg_levenberg_marquardt_options;

// Options of bg_trust_region. Start from BG_TRUST_REGION_OPTIONS_INIT, which sets the defaults.
typedef struct {
  // sizeof(bg_trust_region_options)
  size_t struct_size;
  // Steps that are tried, at most. Default: 500.
  size_t iterations;
  // It ends when no element of the gradient is larger: for a loss that is far from 1 choose it anew.
  // Default: 1e-8.
  double gradient_tolerance;
  // How long the first step may be. Default: 1.
  double radius;
  // How long any step may be. Default: 1e6.
  double largest_radius;
} bg_trust_region_options;

// A function to be minimised: writes its value at x, which may be infinite or NaN where it has none, and
// its gradient. Returns 0; anything else ends the search with BG_ERR_CALLBACK. It must return, not throw
// or jump.
typedef int32_t (*bg_objective)(void *user, const double *x, double *gradient, double *value);

// Residuals of a least-squares fit: writes them and, unless `jacobian` is NULL, their derivatives, a row
// for each residual. Returns as bg_objective does.
typedef int32_t (*bg_residual_function)(void *user,
                                        const double *x,
                                        double *residuals,
                                        double *jacobian);

// Second derivatives of a function: writes the product of the Hessian at x with v. Returns as
// bg_objective does.
typedef int32_t (*bg_hessian_product)(void *user, const double *x, const double *v, double *out);

// A tensor that a callback reads: dense and row-major, aligned as its element type. Its data are NULL where
// there are none: while shapes are asked for, and of the tangent of an input that does not move.
typedef struct {
  const void *data;
  // The axis lengths.
  const size_t *dims;
  size_t rank;
  // How many elements it has.
  size_t len;
  // BG_F32, BG_F64, BG_I64 or BG_U8.
  int32_t dtype;
} bg_input;

// The shape of a result, to be set by a callback.
typedef struct {
  // The type of the float inputs at first, or BG_F64 if there are none. All results have one type, and
  // floats that of the inputs.
  int32_t dtype;
  // The shape of input 0 at first.
  size_t rank;
  // As many as BG_MAX_RANK.
  size_t dims[8];
} bg_result_shape;

// What the callback for shapes is called with.
typedef struct {
  // sizeof(bg_shape_call)
  size_t struct_size;
  // Without data.
  const bg_input *inputs;
  size_t num_inputs;
  // To be set.
  bg_result_shape *results;
  size_t num_results;
  // As in bg_custom_call.
  char *message;
  size_t message_capacity;
} bg_shape_call;

// A callback that sets the shapes of results, or refuses the inputs. Returns as bg_custom_function does.
typedef int32_t (*bg_shape_function)(void *user, const bg_shape_call *call);

// A tensor that a callback writes: dense and row-major, aligned as its element type, and zeros at first.
// Its data are NULL where it is not wanted: a cotangent that nobody asks for.
typedef struct {
  void *data;
  // The axis lengths.
  const size_t *dims;
  size_t rank;
  // How many elements it has.
  size_t len;
  // BG_F32, BG_F64, BG_I64 or BG_U8.
  int32_t dtype;
} bg_output;

// What the numeric callbacks of an operation are called with. All of it is gone when they return.
typedef struct {
  // sizeof(bg_custom_call)
  size_t struct_size;
  const bg_input *inputs;
  size_t num_inputs;
  // The values of the results; NULL in the forward.
  const bg_input *outputs;
  size_t num_outputs;
  // The cotangent of each result, in a vjp; else NULL.
  const bg_input *cotangents;
  // The tangent of each input, in a jvp; else NULL.
  const bg_input *tangents;
  // What is to be written: the results; in a vjp a cotangent for each input; in a jvp a tangent for each
  // result.
  const bg_output *results;
  // Room for a text that says what was wrong, with a final NUL; empty at first.
  char *message;
  size_t message_capacity;
} bg_custom_call;

// A numeric callback. Returns 0; anything else ends the evaluation with BG_ERR_CALLBACK, and the message
// that it wrote, or else the number. It must return: an exception or a jump that leaves it ends the
// process, or worse; see bg::guarded for C++.
typedef int32_t (*bg_custom_function)(void *user, const bg_custom_call *call);

// An operation that was registered with a graph.
typedef struct {
  uint32_t id;
  uint32_t tag;
} bg_op;

// What the callback that records a vjp is called with.
typedef struct {
  // sizeof(bg_record_call)
  size_t struct_size;
  // The graph to record with, until the callback returns: it is lent, and no other handle of it can be
  // used meanwhile. Nothing can be computed, written or dropped (BG_ERR_BUSY).
  bg_graph *graph;
  // The operation itself, to be applied to other operands.
  bg_op op;
  const bg_node *inputs;
  size_t num_inputs;
  const bg_node *outputs;
  size_t num_outputs;
  // The cotangent of each result.
  const bg_node *cotangents;
  // To be written: the cotangent of each input, of its shape and type; BG_NULL at first, which is none.
  bg_node *results;
  // As in bg_custom_call.
  char *message;
  size_t message_capacity;
} bg_record_call;

// A callback that records the cotangents of the inputs of an operation. Returns as bg_custom_function
// does; an error that the graph remembers from it is told, too.
typedef int32_t (*bg_record_function)(void *user, const bg_record_call *call);

// An operation to be registered. Start from BG_CUSTOM_INIT, which leaves out all that may be: what is
// a must is a name and the forward.
typedef struct {
  // sizeof(bg_custom)
  size_t struct_size;
  // Letters, digits and _, at most 47; for messages and texts. It is copied.
  const char *name;
  // How many results it has: 1 to 64. Default: 1.
  size_t num_results;
  // Sets their shapes when the operation is applied. Default: that of input 0.
  bg_shape_function shapes;
  // Computes the results.
  bg_custom_function forward;
  // Computes the cotangents of the inputs from those of the results.
  bg_custom_function vjp;
  // Computes the tangents of the results from those of the inputs.
  bg_custom_function jvp;
  // Records the cotangents of the inputs with operations of the graph, so that they can be differentiated
  // again. It must record the same for inputs of the same shapes. It may differentiate operations that
  // have such a callback, too: 16 of them, at most, can be at work, each within the one before; one more is
  // BG_ERR_LIMIT.
  bg_record_function recorded_vjp;
  // BG_CUSTOM_IMPURE and BG_CUSTOM_TAKES_BATCHES, or 0.
  uint32_t flags;
  // Handed to the callbacks.
  void *user;
  // Called once with `user` when the operation is no longer needed: when the graph is freed, or when
  // registering fails. It must return, as the other callbacks must.
  void (*drop)(void *user);
} bg_custom;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library that is linked, to be compared with BG_VERSION.
int32_t bg_version(void);

// The version of the library that is linked, as in "1.2.3".
const char *bg_version_string(void);

// The set of instructions that kernels use on this CPU: "baseline", "v3" (AVX2 and FMA) or "v4"
// (AVX-512). The environment variable BUMPGRAD_LEVEL can lower it.
const char *bg_simd_level(void);

// A new, empty graph; NULL when there is no memory for it.
bg_graph *bg_graph_new(void);

// As bg_graph_new, with options; NULL for the defaults.
bg_graph *bg_graph_new_with(const bg_options *options);

// Releases a graph and everything in it. NULL is allowed. A graph that another call is using is left
// alone; so is one in whose search (bg_lbfgs_function and others) this is called, which remembers it as
// BG_ERR_BUSY.
void bg_graph_free(bg_graph *g);

// Whether a node is null: the result of an operation that failed.
bool bg_is_null(bg_node x);

// The remembered error: the first one since the graph was made or the error was cleared.
bg_status bg_last_status(const bg_graph *g);

// The remembered error in words: what was wrong, with shapes and labels, and what would be right.
// One line; "" when there is no error; never NULL, not even for a NULL graph. Valid until the
// error is cleared.
const char *bg_error_message(const bg_graph *g);

// Forgets the remembered error, so that the graph can be used again.
void bg_clear_error(bg_graph *g);

// The present end of the recording.
bg_place bg_mark(const bg_graph *g);

// Drops every node recorded after the mark, and keeps the memory for those to come: what a loop
// does at the end of each iteration. Nodes from before the mark keep data and gradients. Works
// while an error is remembered, too.
bg_status bg_rewind(bg_graph *g, bg_place mark);

// Makes what was recorded since `begin` a checkpoint: of its values only those of the n nodes `outs` are
// kept. Whatever reads another one later, the gradient above all, has it computed again, from what was
// there before: a checkpoint every 30 layers of 1000 keeps 33 values, and 30 at a time. Values and
// gradients are the same, bit for bit. A checkpoint that spans others leaves what they span to them.
// What bg_jvp and bg_vmap record of its nodes is between checkpoints, too. What was read stays. Graphs with
// checkpoints have a plan for each evaluation, however small.
bg_status bg_checkpoint(bg_graph *g,
                        bg_place begin,
                        const bg_node *outs,
                        size_t n);

// Drops all nodes with their data, gradients and what optimisers remember, and keeps the memory for
// those to come. Ends whatever bg_no_grad_begin began. Seed, mode, memory limit and budget and a
// remembered error stay as they are.
void bg_reset(bg_graph *g);

// The number of nodes in the recording.
size_t bg_node_count(const bg_graph *g);

// Fills in the fields of `out` that its struct_size covers.
bg_status bg_memory_stats(bg_graph *g, bg_memory *out);

// Limits the memory a graph takes from the system, in bytes; 0 for no limit. What counts is the sum
// of `pooled`, `records` and `plans` of bg_memory_stats: all but the graph itself (a few KiB), and
// lists of arguments during a call. What needs more fails with BG_ERR_MEMORY and a message that
// says what is full, and nothing is lost. Before that, what only saves time is given back to the
// system: plans, which are made anew when they are needed, buffers that are free, and values that
// can be computed again. An operation that fails to be recorded gives plans back, too, so that it
// may be tried again. A plan that is refused may by then have taken more than it was allowed, but
// less than twice that, and gives it back.
void bg_set_memory_limit(bg_graph *g, size_t bytes);

// Lets each evaluation hold at most this many bytes of tensors at a time: data of leaves, gradients,
// values that are kept, and scratch memory, as `live` of bg_memory_stats counts them. 0, the default, for no
// budget. Where that is less than what is usual, values that nobody asked for are let go, and steps
// are run again to make what there was no room to keep: bg_plan_memory_backward says how many, and
// bg_print_plan which. No bit of any result depends on that. What would not fit all the same fails with
// BG_ERR_MEMORY and the smallest budget that was found to be enough, and nothing is lost. What was
// read stays, and counts; so do leaves, gradients and what optimisers remember, which are not refused.
// Registers and packed factors, a fixed amount for each thread, are counted by `plans`. Free buffers are
// given back to the system rather than have `pooled` exceed the budget, apart from those of at most
// 2 KiB: evaluations that take turns, and whose memory does not fit side by side, allocate each time.
void bg_set_memory_budget(bg_graph *g,
                          size_t bytes);

// The memory budget that was set; 0 for no budget.
size_t bg_memory_budget(const bg_graph *g);

// Says what memory computing x takes, before it is computed: nothing where its value is there. The plan that
// is made is the one that is run next. BG_ERR_MEMORY if the memory budget is too small. Fills in the
// fields of `out` that its struct_size covers.
bg_status bg_plan_memory(bg_graph *g,
                         bg_node x,
                         bg_planned_memory *out);

// The same of bg_backward_many. `heads` may be NULL, and each of its nodes BG_NULL. Fails as that
// does.
bg_status bg_plan_memory_backward(bg_graph *g,
                                  const bg_node *ys,
                                  const bg_node *heads,
                                  size_t n,
                                  bg_planned_memory *out);

// The memory limit that was set; 0 for no limit.
size_t bg_memory_limit(const bg_graph *g);

// Starts the random numbers anew: the same seed, followed by the same calls, gives the same
// numbers again. bg_uniform and bg_normal draw when they are called; bg_dropout draws when it is
// computed, and dropouts recorded before follow the new seed, too. A new graph has the seed 0.
void bg_set_seed(bg_graph *g, uint64_t seed);

// The seed that was set last; 0 for a NULL graph.
uint64_t bg_seed(const bg_graph *g);

// Gives dropouts new random numbers, as writing to a leaf does.
void bg_resample(bg_graph *g);

// Sets training mode, in which a new graph is, or evaluation mode, in which dropout does nothing.
// Values already recorded follow.
void bg_set_training(bg_graph *g, bool training);

// Whether the graph is in training mode.
bool bg_training(const bg_graph *g);

// From here to the matching bg_no_grad_end, results do not require gradients. May be nested.
// Parameters made inside still do.
void bg_no_grad_begin(bg_graph *g);

// Ends what bg_no_grad_begin began; an error to be remembered when nothing did.
void bg_no_grad_end(bg_graph *g);

// Whether results do not require gradients now: inside of bg_no_grad_begin and bg_no_grad_end.
bool bg_is_no_grad(const bg_graph *g);

// A parameter: a vector that requires a gradient, with a copy of n floats.
bg_node bg_param_f32(bg_graph *g, const float *data, size_t n);

// A parameter: a vector that requires a gradient, with a copy of n doubles.
bg_node bg_param_f64(bg_graph *g, const double *data, size_t n);

// A parameter of any float type and shape: a leaf that requires a gradient, with a copy of the
// data, row-major.
bg_node bg_param(bg_graph *g, int32_t dtype, const void *data, const size_t *dims, size_t rank);

// A constant vector with a copy of n floats.
bg_node bg_vector_f32(bg_graph *g, const float *data, size_t n);

// A constant vector with a copy of n doubles.
bg_node bg_vector_f64(bg_graph *g, const double *data, size_t n);

// A constant vector with a copy of n integers: indices or classes.
bg_node bg_vector_i64(bg_graph *g, const int64_t *data, size_t n);

// A constant vector with a copy of n bytes: a mask.
bg_node bg_vector_u8(bg_graph *g, const uint8_t *data, size_t n);

// A constant of any type and shape, with a copy of the data, row-major.
bg_node bg_tensor(bg_graph *g, int32_t dtype, const void *data, const size_t *dims, size_t rank);

// A 0-d constant of type BG_F32.
bg_node bg_scalar_f32(bg_graph *g, float value);

// A 0-d constant of type BG_F64.
bg_node bg_scalar_f64(bg_graph *g, double value);

// A constant of zeros.
bg_node bg_zeros(bg_graph *g, int32_t dtype, const size_t *dims, size_t rank);

// A constant of ones.
bg_node bg_ones(bg_graph *g, int32_t dtype, const size_t *dims, size_t rank);

// A constant with one value everywhere. An integer type refuses what it does not hold: fractions,
// NaN, and numbers beyond its range.
bg_node bg_full(bg_graph *g, int32_t dtype, const size_t *dims, size_t rank, double value);

// A constant vector: start, start + step, ... up to but without stop. An integer type refuses what
// it does not hold, as in bg_full.
bg_node bg_arange(bg_graph *g, int32_t dtype, double start, double stop, double step);

// A constant vector: n numbers at equal distances from start to stop, both included. An integer
// type refuses ends that it does not hold, and rounds what is between them towards zero.
bg_node bg_linspace(bg_graph *g, int32_t dtype, double start, double stop, size_t n);

// A constant matrix with 1 on the main diagonal and 0 elsewhere.
bg_node bg_eye(bg_graph *g, int32_t dtype, size_t rows, size_t columns);

// A constant of equally likely random numbers from low up to high, which is never one of them unless
// it is low; float types only, and finite bounds in this order.
bg_node bg_uniform(bg_graph *g,
                   int32_t dtype,
                   const size_t *dims,
                   size_t rank,
                   double low,
                   double high);

// A constant of normal random numbers of this mean and standard deviation, which is finite and at
// least 0; float types only.
bg_node bg_normal(bg_graph *g,
                  int32_t dtype,
                  const size_t *dims,
                  size_t rank,
                  double mean,
                  double deviation);

// Replaces the data of a leaf; `bytes` must be exactly their size. Everything that depends on the
// leaf follows: the next read or backward computes it anew.
bg_status bg_write(bg_graph *g, bg_node x, const void *data, size_t bytes);

// A constant with the value that x has now, which later writes do not change.
bg_node bg_snapshot(bg_graph *g, bg_node x);

// The value of x, through which no gradient flows.
bg_node bg_detach(bg_graph *g, bg_node x);

// Computes x, if need be, and copies its elements, row-major, to `out`, which has exactly their
// size in bytes.
bg_status bg_read(bg_graph *g, bg_node x, void *out, size_t bytes);

// The one element of a tensor of any type and of any shape with one element.
bg_status bg_item(bg_graph *g, bg_node x, double *out);

// Computes x, if need be, and shows its elements, row-major, without copying them. Valid until the
// next call with this graph that reads another value, computes (a snapshot, backward, a step of an
// optimiser), writes, changes a mode, the seed or the memory limit, goes back, or frees the graph.
// Recording operations, and asking for shapes and the like, leave it valid. NULL when there is an
// error.
const void *bg_data(bg_graph *g, bg_node x);

// The number of axes; -1 when x is not valid.
int32_t bg_rank(bg_graph *g, bg_node x);

// Writes the length of each axis to dims, which has room for `capacity` of them.
bg_status bg_shape(bg_graph *g, bg_node x, size_t *dims, size_t capacity);

// The number of elements; 0 when x is not valid.
size_t bg_len(bg_graph *g, bg_node x);

// The element type, BG_F32 to BG_U8; 0 when x is not valid.
int32_t bg_dtype(bg_graph *g, bg_node x);

// The name of the operation that made x, such as "mul", for ever valid, and of an operation of the
// caller's as long as the graph; NULL for a leaf, and when x is not valid.
const char *bg_op_name(bg_graph *g, bg_node x);

// Whether gradients flow to x.
bool bg_requires_grad(bg_graph *g, bg_node x);

// Sets whether gradients flow to x, a leaf. What is recorded from now on follows.
bg_status bg_set_requires_grad(bg_graph *g, bg_node x, bool on);

// Names a node, for messages and prints: UTF-8, copied.
bg_status bg_set_label(bg_graph *g, bg_node x, const char *label);

// Adds the gradient of y, a single element, to the gradient of every leaf that requires one. It
// adds: see bg_zero_grads. When it fails, no gradient has changed. The value of y is computed on the
// way and kept: read it afterwards. To read it before costs one more forward.
bg_status bg_backward(bg_graph *g,
                      bg_node y);

// As bg_backward, for y of any shape with a head gradient of the same shape: the gradient of
// sum(head y).
bg_status bg_backward_with(bg_graph *g, bg_node y, bg_node head);

// As bg_backward, for the sum of n roots in one pass. `heads` may be NULL, and each of its nodes
// BG_NULL, for a root with a single element.
bg_status bg_backward_many(bg_graph *g, const bg_node *ys, const bg_node *heads, size_t n);

// The gradients of y with respect to n nodes, as nodes that can be computed with and
// differentiated again; no leaf's gradient changes. `head_or_null` may be BG_NULL when y is a
// single element. An x that y does not depend on is an error or, with allow_unused, has a null
// gradient. All are null when there is an error. `out` must not overlap `xs`.
bg_status bg_grad(bg_graph *g,
                  bg_node y,
                  bg_node head_or_null,
                  const bg_node *xs,
                  size_t n,
                  bg_node *out,
                  bool allow_unused);

// Copies the gradient of x, row-major, to `out`, which has exactly its size in bytes: that of x.
// BG_ERR_GRADIENT while there is none.
bg_status bg_read_grad(bg_graph *g, bg_node x, void *out, size_t bytes);

// Whether x has a gradient.
bool bg_has_grad(bg_graph *g, bg_node x);

// A constant with the present gradient of x.
bg_node bg_grad_tensor(bg_graph *g, bg_node x);

// Unsets the gradient of x.
bg_status bg_zero_grad(bg_graph *g, bg_node x);

// Unsets all gradients of the graph.
void bg_zero_grads(bg_graph *g);

// Lets x, which is no leaf, keep its gradient from backward, too.
bg_status bg_retain_grad(bg_graph *g, bg_node x);

// How n nodes move when each of m inputs moves by its tangent, a tensor of its shape and type:
// Jacobian-vector products by forward mode, as nodes that can be differentiated again. An output
// that does not depend on the inputs gives zeros. With a gradient (bg_grad) among the outputs they
// are Hessian-vector products. The inputs may be any nodes of a float type, and need not require
// gradients; one that depends on another moves with that, too. What was detached, or recorded
// without gradients from what has some, is constant. All are null when there is an error. `out` must
// not overlap the other arrays.
bg_status bg_jvp(bg_graph *g,
                 const bg_node *ys,
                 size_t n,
                 const bg_node *xs,
                 const bg_node *tangents,
                 size_t m,
                 bg_node *out);

// The gradients of n nodes, each times its head gradient, added up, with respect to m inputs, as
// nodes: bg_grad for several outputs, vector-Jacobian products. `heads` may be NULL, and each of them
// BG_NULL, for an output of a single element.
bg_status bg_vjp(bg_graph *g,
                 const bg_node *ys,
                 const bg_node *heads,
                 size_t n,
                 const bg_node *xs,
                 size_t m,
                 bg_node *out,
                 bool allow_unused);

// The computation from m inputs to n nodes, recorded again with each input replaced by its batch,
// which has one more axis in front, of one length for all; and so has each result. What does not
// depend on the inputs is shared. It may hold gradients and tangents: those of each element of the
// batch, then. The inputs may be any nodes; what they were made of does not matter. Dropout draws for
// each element of the batch. BG_ERR_ARGUMENT where a value in between, or one computed from it, was
// read, or made a bg_snapshot of, and something in between was recorded afterwards: a branch that was
// taken for that value would be taken for all. (Recording derivatives does not count, and bg_print and
// bg_format are no reading. Inputs may be read at any time. These branches are not seen, and the caller's to
// know of: for an input, for what is computed of inputs by nodes that are not in between, for nodes that
// were rewound since, for gradients that bg_read_grad gives, and for numbers that searches return.)
// All are null when there is an error. `out` must not overlap the other arrays.
bg_status bg_vmap(bg_graph *g,
                  const bg_node *ys,
                  size_t n,
                  const bg_node *xs,
                  const bg_node *batches,
                  size_t m,
                  bg_node *out);

// Hessian-vector products: how the gradients of y, a single element, with respect to m inputs move
// when all of them move by their tangents; one result for each input. Forward over reverse, without a
// matrix. The inputs must require gradients; zeros for one that y does not depend on.
bg_status bg_hvp(bg_graph *g,
                 bg_node y,
                 const bg_node *xs,
                 const bg_node *tangents,
                 size_t m,
                 bg_node *out);

// The derivatives of each element of y by each element of x: a tensor of the shape of y followed by
// that of x. It takes a gradient for each element of y (BG_REVERSE) or a tangent for each element of
// x (BG_FORWARD), or whichever are fewer (BG_AUTO); all at once, and in blocks where that would take a
// lot of memory. Zeros if y does not depend on x. What dropout drops is the same in all directions and in
// the value. The rank of x is below BG_MAX_RANK, and so is that of the input of all functions below.
bg_node bg_jacobian(bg_graph *g,
                    bg_node y,
                    bg_node x,
                    int32_t how);

// The mode that BG_AUTO stands for: BG_REVERSE if y has no more elements than x, BG_FORWARD
// otherwise, and where x requires no gradient. 0 when there is an error.
int32_t bg_jacobian_mode(bg_graph *g, bg_node y, bg_node x);

// The second derivatives of y, a single element, by each pair of elements of x: a tensor of the
// shape of x twice. Forward over reverse, for all directions at once. x must require gradients; zeros if y
// does not depend on it.
bg_node bg_hessian(bg_graph *g,
                   bg_node y,
                   bg_node x);

// The diagonal of the Hessian of y, a single element, in the shape of x: forward mode twice along
// each axis. x need not require gradients.
bg_node bg_hessian_diagonal(bg_graph *g, bg_node y, bg_node x);

// The Laplacian of y, a single element, by x: the sum of the diagonal of its Hessian.
bg_node bg_laplacian(bg_graph *g, bg_node y, bg_node x);

// The divergence of a vector field y at x, of one shape: the sum of the derivatives of each element of
// y by the element of x in its place.
bg_node bg_divergence(bg_graph *g,
                      bg_node y,
                      bg_node x);

// On which elements of x each element of y depends: where the Jacobian may differ from 0, in compressed
// rows (CSR). Returns the number of entries; 0, too, when there is an error. `starts`, if it is not
// NULL, has room for one more than y has elements, and gets where each row begins and the last one ends;
// `columns`, if it is not NULL, gets the columns of the rows, rising, of which at most `capacity` are
// written. The pattern is found from the recording and holds for all data, as long as the indices are
// those of now; what is chosen by indices that are computed from x may depend on all.
size_t bg_sparsity(bg_graph *g,
                   bg_node y,
                   bg_node x,
                   size_t *starts,
                   uint32_t *columns,
                   size_t capacity);

// The same for the Hessian of y, a single element, by x: all of it, or its lower triangle.
size_t bg_hessian_sparsity(bg_graph *g,
                           bg_node y,
                           bg_node x,
                           bool lower,
                           size_t *starts,
                           uint32_t *columns,
                           size_t capacity);

// The Jacobian at the places of its pattern, in the order of bg_sparsity: a tensor of one axis, to be
// read again after bg_write. It takes as many tangents as the columns have colours, or gradients as the
// rows have: columns that meet in no row have one colour (greedy distance-2 colouring: T. Coleman, J.
// More, 1983). Where x requires gradients and a few rows (or columns) have very many entries, these are
// taken apart, in the other mode (bicolouring: T. Coleman, A. Verma, 1998). How many there are is what
// bg_sparse_jacobian_passes says.
bg_node bg_sparse_jacobian(bg_graph *g,
                           bg_node y,
                           bg_node x);

// The Hessian of y, a single element, by x, or its lower triangle, at the places of its pattern, in the
// order of bg_hessian_sparsity: a tensor of one axis, to be read again after bg_write. It takes as many
// Hessian-vector products as a star colouring has colours (A. Gebremedhin, F. Manne, A. Pothen, 2005):
// see bg_sparse_hessian_passes.
bg_node bg_sparse_hessian(bg_graph *g,
                          bg_node y,
                          bg_node x,
                          bool lower);

// How many passes bg_sparse_jacobian(g, y, x) takes, where a dense one takes as many as y or x has
// elements. How many of them are tangents, and how many gradients, goes to `tangents` and `gradients`,
// unless these are NULL. 0 when there is an error.
size_t bg_sparse_jacobian_passes(bg_graph *g,
                                 bg_node y,
                                 bg_node x,
                                 size_t *tangents,
                                 size_t *gradients);

// How many Hessian-vector products bg_sparse_hessian takes for y, a single element, and x, where a dense
// Hessian takes as many as x has elements. 0 when there is an error.
size_t bg_sparse_hessian_passes(bg_graph *g,
                                bg_node y,
                                bg_node x);

// Compares the gradients of y by m leaves, all of type BG_F64, with central differences, element by
// element; and reverse mode with forward mode, which must agree but for rounding. An output of several
// elements is weighed by scattered numbers. BG_ERR_GRADIENT if a derivative is farther off than the
// tolerances allow, with a message that names the worst; `result` may be NULL. Takes two evaluations
// for each element; nothing has changed afterwards. Random operations draw anew each time: check
// without them, or in evaluation mode. `options` may be NULL for the defaults.
bg_status bg_gradcheck(bg_graph *g,
                       bg_node y,
                       const bg_node *xs,
                       size_t m,
                       const bg_gradcheck_options *options,
                       bg_gradcheck_result *result);

// Whether values that are read, and gradients of backward, are looked through, with all that they are
// made of. The first number that is NaN, or infinite although nothing infinite went in, is
// BG_ERR_NUMBER, with a message that names its operation, label and element and, of a gradient, whose
// derivative it was made in; no gradient has changed then. Slow: for finding out.
void bg_check_numbers(bg_graph *g,
                      bool on);

// Says in words whether the gradient of `loss` reaches x, and if not, where its way ends: at what was
// detached, compared, made of integers, or recorded without gradients. As snprintf: at most
// `capacity` bytes are written, a final NUL among them, and the length of the whole text is returned; 0
// when there is an error.
size_t bg_why_no_grad(bg_graph *g,
                      bg_node loss,
                      bg_node x,
                      char *buffer,
                      size_t capacity);

// One step of gradient descent for every leaf that requires a gradient and has one; NULL for the
// default options. BG_ERR_ARGUMENT for numbers out of range; no parameter has changed if it fails. Set
// the gradients to zero before the next backward.
bg_status bg_sgd_step(bg_graph *g,
                      const bg_sgd_options *options);

// As bg_sgd_step, for a group of n parameters, each a leaf that requires a gradient and has one
// (BG_ERR_GRADIENT for others), and none of them twice (BG_ERR_ARGUMENT).
bg_status bg_sgd_step_on(bg_graph *g,
                         const bg_node *parameters,
                         size_t n,
                         const bg_sgd_options *options);

// As bg_sgd_step, by Adam.
bg_status bg_adam_step(bg_graph *g, const bg_adam_options *options);

// As bg_sgd_step_on, by Adam.
bg_status bg_adam_step_on(bg_graph *g,
                          const bg_node *parameters,
                          size_t n,
                          const bg_adam_options *options);

// As bg_sgd_step, by Adam with decoupled weight decay.
bg_status bg_adamw_step(bg_graph *g, const bg_adam_options *options);

// As bg_sgd_step_on, by Adam with decoupled weight decay.
bg_status bg_adamw_step_on(bg_graph *g,
                           const bg_node *parameters,
                           size_t n,
                           const bg_adam_options *options);

// As bg_sgd_step, by RMSProp.
bg_status bg_rmsprop_step(bg_graph *g, const bg_rmsprop_options *options);

// As bg_sgd_step_on, by RMSProp.
bg_status bg_rmsprop_step_on(bg_graph *g,
                             const bg_node *parameters,
                             size_t n,
                             const bg_rmsprop_options *options);

// As bg_sgd_step, by Adagrad.
bg_status bg_adagrad_step(bg_graph *g, const bg_adagrad_options *options);

// As bg_sgd_step_on, by Adagrad.
bg_status bg_adagrad_step_on(bg_graph *g,
                             const bg_node *parameters,
                             size_t n,
                             const bg_adagrad_options *options);

// As bg_sgd_step, by Lion.
bg_status bg_lion_step(bg_graph *g, const bg_lion_options *options);

// As bg_sgd_step_on, by Lion.
bg_status bg_lion_step_on(bg_graph *g,
                          const bg_node *parameters,
                          size_t n,
                          const bg_lion_options *options);

// Scales all gradients of leaves down by one factor, most / (norm + 1e-6), if that is below 1, for their
// common 2-norm: PyTorch's `clip_grad_norm_`. `most` may be infinite. The norm that they had goes to `norm`, unless that is NULL. A norm that is not
// finite is BG_ERR_GRADIENT, and a `most` below 0 or NaN BG_ERR_ARGUMENT: nothing has changed then.
bg_status bg_clip_grad_norm(bg_graph *g,
                            double most,
                            double *norm);

// As bg_clip_grad_norm, of n leaves, each of which requires a gradient and has one.
bg_status bg_clip_grad_norm_of(bg_graph *g,
                               const bg_node *parameters,
                               size_t n,
                               double most,
                               double *norm);

// Moves each element of all gradients of leaves between -most and most. BG_ERR_ARGUMENT where it
// is below 0 or NaN.
bg_status bg_clip_grad_value(bg_graph *g, double most);

// As bg_clip_grad_value, of n leaves, each of which requires a gradient and has one.
bg_status bg_clip_grad_value_of(bg_graph *g, const bg_node *parameters, size_t n, double most);

// Copies `data`, row-major, which has exactly the size of x in bytes, to the gradient of x, in place of
// the present one: of a leaf that requires a gradient, or of a node that retains it (see
// bg_retain_grad); BG_ERR_GRADIENT for others.
bg_status bg_write_grad(bg_graph *g,
                        bg_node x,
                        const void *data,
                        size_t bytes);

// A learning rate: half a wave of a cosine from `first` at step 0 to `last` at step `total`, and `last`
// from then on.
double bg_schedule_cosine(uint64_t step,
                          uint64_t total,
                          double first,
                          double last);

// A factor of a learning rate that rises evenly from `first` at step 0 to 1 at step `total`, and stays
// there.
double bg_schedule_warm_up(uint64_t step,
                           uint64_t total,
                           double first);

// A factor of a learning rate that is multiplied by `gamma` every so many steps; 1, if that is 0.
double bg_schedule_step(uint64_t step, uint64_t every, double gamma);

// Which optimiser remembers something of x, one of BG_OPTIMISER_; the number of its steps goes to
// `steps`, unless that is NULL. Steps of SGD without momentum leave no trace: BG_OPTIMISER_NONE, or what
// another optimiser remembers, as it was.
int32_t bg_optimiser(bg_graph *g,
                     bg_node x,
                     uint64_t *steps);

// Whether an optimiser keeps a moment of x with this number, from 0 to BG_MOMENTS - 1; what they are is
// said at BG_OPTIMISER_SGD and the others.
bool bg_has_moment(bg_graph *g,
                   bg_node x,
                   int32_t number);

// Copies a moment of x, row-major, to `out`, which has exactly the size of x in bytes.
// BG_ERR_GRADIENT where there is none: see bg_has_moment.
bg_status bg_read_moment(bg_graph *g, bg_node x, int32_t number, void *out, size_t bytes);

// Gives a leaf that requires a gradient the state of an optimiser, one of BG_OPTIMISER_, in place of
// the present one: the number of steps, and BG_MOMENTS pointers to moments as bg_read_moment has read
// them, each of exactly the size of x in bytes, or NULL where there was none. `moments` may be NULL, for
// none. BG_ERR_ARGUMENT for another optimiser, a moment that it does not keep, or numbers that are not
// finite or, in a moment that is a root, below 0; BG_ERR_SHAPE for another size, BG_ERR_GRADIENT for what
// does not require a gradient; nothing has changed then.
bg_status bg_set_optimiser(bg_graph *g,
                           bg_node x,
                           int32_t optimiser,
                           uint64_t steps,
                           const void *const *moments,
                           size_t bytes);

// Moves the data of n leaves to a minimum of `loss`, a single element, from where they are, by L-BFGS with
// a line search for the strong Wolfe conditions. The leaves must require gradients; `loss` must depend on
// each of them (BG_ERR_GRADIENT), and be a function of them alone: no dropout. NULL for the default
// options, among which are bounds (then it is L-BFGS-B: R. Byrd, P. Lu, J. Nocedal, C. Zhu, 1995). Where it
// ended goes to `result`, unless that is NULL; BG_OK does not say that a minimum was found: see
// bg_search_result.ended. If it fails the leaves are as before.
bg_status bg_lbfgs(bg_graph *g,
                   bg_node loss,
                   const bg_node *parameters,
                   size_t n,
                   const bg_lbfgs_options *options,
                   bg_search_result *result);

// Moves the data of n leaves to a minimum of the sum of the squares of `residuals`, a tensor of any shape,
// from where they are: by the method of Levenberg and Marquardt in Moré's form, as MINPACK's lmder, with
// steps of Gauss and Newton in the end, that give all digits. The leaves need not require gradients, but
// with the option matrix_free. The rest is as for bg_lbfgs.
bg_status bg_levenberg_marquardt(bg_graph *g,
                                 bg_node residuals,
                                 const bg_node *parameters,
                                 size_t n,
                                 const bg_levenberg_marquardt_options *options,
                                 bg_search_result *result);

// As bg_lbfgs, by Newton's method in a region of trust, whose steps are found by conjugate gradients on
// Hessian-vector products (Steihaug's): few steps, and no matrix.
bg_status bg_trust_region(bg_graph *g,
                          bg_node loss,
                          const bg_node *parameters,
                          size_t n,
                          const bg_trust_region_options *options,
                          bg_search_result *result);

// As bg_lbfgs, of a function of the caller's: moves n numbers x from where they are. The function is called
// with `user`, on the calling thread, and may use any graph, this one too: it can write leaves, call
// bg_backward and read gradients, or record anew each time; but not free this one: see bg_graph_free.
// BG_ERR_CALLBACK if it returns anything but 0; an error of this graph from inside of it comes first, and
// is reported in any case. x is as before then.
bg_status bg_lbfgs_function(bg_graph *g,
                            double *x,
                            size_t n,
                            bg_objective function,
                            void *user,
                            const bg_lbfgs_options *options,
                            bg_search_result *result);

// As bg_levenberg_marquardt, for m residuals of a function of the caller's, and as bg_lbfgs_function for
// the rest.
bg_status bg_levenberg_marquardt_function(bg_graph *g,
                                          double *x,
                                          size_t n,
                                          size_t m,
                                          bg_residual_function function,
                                          void *user,
                                          const bg_levenberg_marquardt_options *options,
                                          bg_search_result *result);

// As bg_trust_region, of functions of the caller's, and as bg_lbfgs_function for the rest.
bg_status bg_trust_region_function(bg_graph *g,
                                   double *x,
                                   size_t n,
                                   bg_objective function,
                                   bg_hessian_product hessian,
                                   void *user,
                                   const bg_trust_region_options *options,
                                   bg_search_result *result);

// Registers an operation of the caller's with the graph, to be applied as often as one likes. It lives
// until the graph is freed: bg_rewind and bg_reset keep it. `custom` is copied, but for what `user` points
// to. Its `drop` is called exactly once, also if this fails: for a NULL or busy graph, too. Of derivatives,
// numeric ones (vjp, jvp) cannot be differentiated again, and recorded_vjp can; it gives forward mode, too.
// Where there are both, the numeric ones are used for what is not differentiated again: in bg_backward, and
// between bg_no_grad_begin and bg_no_grad_end. An operation without any is constant
// for derivatives, as bg_detach is: bg_backward refuses a loss that depends on its leaves through it alone
// (BG_ERR_GRADIENT), and one that does so in other ways, too, gets the gradients of these alone.
// bg_why_no_grad names it where it is what a gradient ends at.
//
// Callbacks are called on the thread that asks for a value, in the default floating-point environment;
// while something is recorded, only `shapes` and `recorded_vjp` are. They may use other graphs, and of
// their own only what bg_record_call lends: it is BG_ERR_BUSY. Nothing is lost when one fails: the next
// evaluation tries again. They are not called for results without elements.
bg_status bg_register(bg_graph *g,
                      const bg_custom *custom,
                      bg_op *out);

// The result of an operation of the caller's on n operands, at most 64, all floats among which have one
// type. The operation has one result: see bg_apply_all.
bg_node bg_apply(bg_graph *g,
                 bg_op op,
                 const bg_node *xs,
                 size_t n);

// The results of an operation of the caller's on n operands: writes at most `capacity` of them to `out`,
// and null nodes to the rest of it; how many there are, 0 when there is an error.
size_t bg_apply_all(bg_graph *g,
                    bg_op op,
                    const bg_node *xs,
                    size_t n,
                    bg_node *out,
                    size_t capacity);

// factor x. Takes BG_I64, too, with a factor that is an integer.
bg_node bg_scale(bg_graph *g, bg_node x, double factor);

// x + c. Takes BG_I64, too, with a c that is an integer.
bg_node bg_add_scalar(bg_graph *g, bg_node x, double c);

// x^exponent.
bg_node bg_pow_scalar(bg_graph *g, bg_node x, double exponent);

// x within min and max; the gradient is 0 outside and at the bounds. An infinite or NaN bound is
// none; one of them must be a bound. Where min is above max, all elements become max.
bg_node bg_clamp(bg_graph *g, bg_node x, double min, double max);

// `yes` where the mask (BG_U8) is set, else `no`; all three broadcast. The gradient goes to the
// one that was taken. Takes any type.
bg_node bg_where(bg_graph *g, bg_node mask, bg_node yes, bg_node no);

// The same numbers as another element type: floats to integers towards zero; what is beyond an
// integer type's range to its nearest end, and NaN to 0. The gradient flows between float types. Takes
// any type.
bg_node bg_cast(bg_graph *g,
                bg_node x,
                int32_t dtype);

// -x. Gradient: -1. Takes BG_I64, too.
bg_node bg_neg(bg_graph *g, bg_node x);

// |x|. Gradient: the sign of x, 0 at 0 and for NaN. Takes BG_I64, too.
bg_node bg_abs(bg_graph *g, bg_node x);

// -1, 0 or 1; 0 for NaN. Gradient: 0. Takes BG_I64, too.
bg_node bg_sign(bg_graph *g, bg_node x);

// e^x. Gradient: y.
bg_node bg_exp(bg_graph *g, bg_node x);

// e^x - 1, exact for small x. Gradient: e^x, of which y + 1 has lost the tail.
bg_node bg_expm1(bg_graph *g, bg_node x);

// The natural logarithm. Gradient: 1 / x.
bg_node bg_log(bg_graph *g, bg_node x);

// The natural logarithm of 1 + x, exact for small x. Gradient: 1 / (1 + x).
bg_node bg_log1p(bg_graph *g, bg_node x);

// The square root. Gradient: 1 / (2 y).
bg_node bg_sqrt(bg_graph *g, bg_node x);

// 1 / sqrt(x). Gradient: -y^3 / 2.
bg_node bg_rsqrt(bg_graph *g, bg_node x);

// x^2. Gradient: 2 x. Takes BG_I64, too.
bg_node bg_square(bg_graph *g, bg_node x);

// 1 / x. Gradient: -y^2.
bg_node bg_reciprocal(bg_graph *g, bg_node x);

// The sine of an angle in radians. Gradient: cos x.
bg_node bg_sin(bg_graph *g, bg_node x);

// The cosine of an angle in radians. Gradient: -sin x.
bg_node bg_cos(bg_graph *g, bg_node x);

// The tangent of an angle in radians. Gradient: 1 + y^2.
bg_node bg_tan(bg_graph *g, bg_node x);

// The hyperbolic tangent. Gradient: 1 - y^2, so that it is 0 beyond x = 9 (f32) or 19.
bg_node bg_tanh(bg_graph *g, bg_node x);

// 1 / (1 + e^-x). Gradient: y (1 - y), so that it is 0 above x = 17 (f32) or 37.
bg_node bg_sigmoid(bg_graph *g, bg_node x);

// The error function. Gradient: 2 / sqrt(pi) e^(-x^2).
bg_node bg_erf(bg_graph *g, bg_node x);

// max(x, 0). Gradient: 0 up to 0, 1 above; 1 for NaN. Takes BG_I64, too.
bg_node bg_relu(bg_graph *g, bg_node x);

// log(1 + e^x). Gradient: the sigmoid of x.
bg_node bg_softplus(bg_graph *g, bg_node x);

// x P(Z <= x) for a standard normal Z. Gradient: P(Z <= x) + x e^(-x^2/2) / sqrt(2 pi). D.
// Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.
bg_node bg_gelu(bg_graph *g, bg_node x);

// The approximation of gelu by x (1 + tanh u) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3); written
// with the sigmoid s of 2u, which does not cancel. Gradient: s + x s (1 - s) (2u)'.
bg_node bg_gelu_tanh(bg_graph *g, bg_node x);

// x times the sigmoid s of x, also called swish. Gradient: s (1 + x (1 - s)).
bg_node bg_silu(bg_graph *g, bg_node x);

// The largest integer up to x. Gradient: 0.
bg_node bg_floor(bg_graph *g, bg_node x);

// The smallest integer from x on. Gradient: 0.
bg_node bg_ceil(bg_graph *g, bg_node x);

// The nearest integer, the even one of two. Gradient: 0.
bg_node bg_round(bg_graph *g, bg_node x);

// a + b. Takes BG_I64, too.
bg_node bg_add(bg_graph *g, bg_node a, bg_node b);

// a - b. Takes BG_I64, too.
bg_node bg_sub(bg_graph *g, bg_node a, bg_node b);

// a b, element by element. Takes BG_I64, too.
bg_node bg_mul(bg_graph *g, bg_node a, bg_node b);

// a / b. Gradients: 1 / b and -y / b.
bg_node bg_div(bg_graph *g, bg_node a, bg_node b);

// a^b. Gradients: b a^(b-1), 0 where b is 0; and y log a, 0 where a is 0 and b is not negative.
bg_node bg_pow(bg_graph *g, bg_node a, bg_node b);

// The larger one; NaN if either is. Gradients: 1 and 0, at a tie 1/2 each. Takes BG_I64, too.
bg_node bg_maximum(bg_graph *g, bg_node a, bg_node b);

// The smaller one; NaN if either is. Gradients: 1 and 0, at a tie 1/2 each. Takes BG_I64, too.
bg_node bg_minimum(bg_graph *g, bg_node a, bg_node b);

// The angle of the point (b, a) in radians. Gradients: b / (a^2 + b^2) and -a / (a^2 + b^2), 0 at
// the origin and at infinity. They are computed from r, the smaller operand by the larger one,
// because squares would leave the range: 1 / (larger (1 + r^2)), and r times that.
bg_node bg_atan2(bg_graph *g, bg_node a, bg_node b);

// 2^x; exact for integers. Gradient: y ln 2.
bg_node bg_exp2(bg_graph *g, bg_node x);

// The logarithm to base 2; exact for powers of 2. Gradient: 1 / (x ln 2).
bg_node bg_log2(bg_graph *g, bg_node x);

// The logarithm to base 10; exact for powers of 10. Gradient: 1 / (x ln 10).
bg_node bg_log10(bg_graph *g, bg_node x);

// The cubic root, also of negative numbers; exact for cubes. Gradient: 1 / (3 y^2), infinite at 0.
bg_node bg_cbrt(bg_graph *g, bg_node x);

// The arcsine, in radians. Gradient: 1 / sqrt(1 - x^2).
bg_node bg_asin(bg_graph *g, bg_node x);

// The arccosine, in radians. Gradient: -1 / sqrt(1 - x^2).
bg_node bg_acos(bg_graph *g, bg_node x);

// The arctangent, in radians. Gradient: 1 / (1 + x^2).
bg_node bg_atan(bg_graph *g, bg_node x);

// The hyperbolic sine. Gradient: cosh x.
bg_node bg_sinh(bg_graph *g, bg_node x);

// The hyperbolic cosine. Gradient: sinh x.
bg_node bg_cosh(bg_graph *g, bg_node x);

// The inverse of the hyperbolic sine. Gradient: 1 / sqrt(1 + x^2).
bg_node bg_asinh(bg_graph *g, bg_node x);

// The inverse of the hyperbolic cosine. Gradient: 1 / sqrt(x^2 - 1).
bg_node bg_acosh(bg_graph *g, bg_node x);

// The inverse of the hyperbolic tangent. Gradient: 1 / (1 - x^2).
bg_node bg_atanh(bg_graph *g, bg_node x);

// 1 - erf(x), without its cancellation. Gradient: -2 / sqrt(pi) e^(-x^2).
bg_node bg_erfc(bg_graph *g, bg_node x);

// e^(x^2) erfc(x), without overflow above 0. Gradient: 2 x y - 2 / sqrt(pi), which does not
// cancel.
bg_node bg_erfcx(bg_graph *g, bg_node x);

// The number whose error function is x. Gradient: sqrt(pi) / 2 e^(y^2).
bg_node bg_erfinv(bg_graph *g, bg_node x);

// P(Z <= x) for a standard normal Z. Gradient: e^(-x^2 / 2) / sqrt(2 pi).
bg_node bg_ndtr(bg_graph *g, bg_node x);

// The logarithm of P(Z <= x) for a standard normal Z, also where that is 0. Gradient: e^(-x^2 / 2)
// / sqrt(2 pi) over P(Z <= x), that is -x far below 0.
bg_node bg_log_ndtr(bg_graph *g, bg_node x);

// The number that a standard normal Z is below with probability x. Gradient: sqrt(2 pi) e^(y^2 /
// 2).
bg_node bg_ndtri(bg_graph *g, bg_node x);

// ln|Gamma(x)|. Gradient: digamma(x).
bg_node bg_lgamma(bg_graph *g, bg_node x);

// The logarithmic derivative of the gamma function. Gradient: polygamma(1, x).
bg_node bg_digamma(bg_graph *g, bg_node x);

// The derivative of that order of digamma(x), up to order 30; order 0 is digamma itself. Gradient:
// polygamma(order + 1, x).
bg_node bg_polygamma(bg_graph *g, bg_node x, size_t order);

// The modified Bessel function of order 0. Gradient: i1(x).
bg_node bg_i0(bg_graph *g, bg_node x);

// The modified Bessel function of order 1. Gradient: i0(x) - y / x, which is 1/2 at 0.
bg_node bg_i1(bg_graph *g, bg_node x);

// e^-|x| I0(x), for the modified Bessel function of order 0. Gradient: i1e(x) - sign(x) y, which
// does not cancel, and is 0 at 0.
bg_node bg_i0e(bg_graph *g, bg_node x);

// e^-|x| I1(x), for the modified Bessel function of order 1. Gradient: i0e(x) - (sign(x) + 1 / x)
// y, which does not cancel, and is 1/2 at 0.
bg_node bg_i1e(bg_graph *g, bg_node x);

// x above 0, else slope times x. Gradient: 1 above 0, else the slope.
bg_node bg_leaky_relu(bg_graph *g, bg_node x, double slope);

// x above 0, else alpha (e^x - 1). Gradient: 1 above 0, else alpha e^x. D. Clevert, T.
// Unterthiner, S. Hochreiter, 2015.
bg_node bg_elu(bg_graph *g, bg_node x, double alpha);

// Up to 0 alpha (e^x - 1) scale, above scale x, with the alpha and the scale that keep mean 0 and
// variance 1. Gradient: the scale above 0, else alpha scale e^x. G. Klambauer et al.,
// "Self-normalizing neural networks", 2017.
bg_node bg_selu(bg_graph *g, bg_node x);

// x above 0, else alpha (e^(x / alpha) - 1), with an alpha other than 0. Gradient: 1 above 0, else
// e^(x / alpha). J. T. Barron, "Continuously differentiable exponential linear units", 2017.
bg_node bg_celu(bg_graph *g, bg_node x, double alpha);

// x, but at least 0 and at most 6. Gradient: 1 between, 0 at the bounds and beyond, and for NaN.
bg_node bg_relu6(bg_graph *g, bg_node x);

// x, but at least min and at most max. Gradient: 1 between, 0 at the bounds and beyond, and for
// NaN.
bg_node bg_hardtanh(bg_graph *g, bg_node x, double min, double max);

// (x + 3) / 6, but at least 0 and at most 1. Gradient: 1/6 between, 0 at the bounds and beyond,
// and for NaN. (It is F.hardsigmoid, whose gradient PyTorch rounds to f32.)
bg_node bg_hardsigmoid(bg_graph *g, bg_node x);

// x (x + 3) / 6 between -3 and 3, 0 below and x above. Gradient: (2 x + 3) / 6 between; 0 at -3
// and below, 1 at 3 and above. At -infinity it is 0, where PyTorch gives NaN. A. Howard et al.,
// "Searching for MobileNetV3", 2019.
bg_node bg_hardswish(bg_graph *g, bg_node x);

// x tanh(log(1 + e^x)). At -infinity it is 0 with the gradient 0, and at infinity the gradient is
// 1, where PyTorch gives NaN. D. Misra, "Mish", 2019.
bg_node bg_mish(bg_graph *g, bg_node x);

// x / (1 + |x|). Gradient: 1 / (1 + |x|)^2. At an infinity it is 1 or -1 with the gradient 0,
// where PyTorch gives NaN.
bg_node bg_softsign(bg_graph *g, bg_node x);

// x - tanh x, which does not cancel near 0, nor do its derivatives. Gradient: tanh(x)^2.
bg_node bg_tanhshrink(bg_graph *g, bg_node x);

// x, brought nearer to 0 by a threshold that is not negative; 0 up to there. Gradient: 1 beyond
// the threshold, else 0, also for NaN.
bg_node bg_softshrink(bg_graph *g, bg_node x, double threshold);

// x, but 0 from -threshold to threshold. Gradient: 1 beyond, else 0, also for NaN.
bg_node bg_hardshrink(bg_graph *g, bg_node x, double threshold);

// x above the threshold, else the value. Gradient: 1 above and for NaN, else 0.
bg_node bg_threshold(bg_graph *g, bg_node x, double threshold, double value);

// log(1 + e^(beta x)) / beta, with a beta other than 0: a smooth relu, the steeper the larger beta
// is. Gradient: the sigmoid of beta x. (PyTorch gives x where beta x is above 20.)
bg_node bg_softplus_beta(bg_graph *g, bg_node x, double beta);

// The logarithm of the sigmoid, -log(1 + e^-x), without overflow. Gradient: the sigmoid of -x.
bg_node bg_log_sigmoid(bg_graph *g, bg_node x);

// log(x / (1 - x)), what sigmoid makes x of. Where eps is not 0, x counts as at least eps and at
// most 1 - eps, so eps is from 0 to 1/2. Gradient: 1 / (x (1 - x)), 0 beyond those bounds, and for
// NaN. Without them value and gradient are NaN outside of [0, 1].
bg_node bg_logit(bg_graph *g, bg_node x, double eps);

// sin(pi x) / (pi x), and 1 at 0. Near 0 it is computed from its series, so that derivatives do
// not cancel there; at the zeros, the whole numbers, the sine is of an angle within pi.
bg_node bg_sinc(bg_graph *g, bg_node x);

// The integer next to x towards 0. Gradient: 0.
bg_node bg_trunc(bg_graph *g, bg_node x);

// x less the integer next to it towards 0; NaN at the infinities. Gradient: 1.
bg_node bg_frac(bg_graph *g, bg_node x);

// x, with nan for NaN, pos for infinity and neg for -infinity; an infinite pos or neg leaves it as
// it is. A finite one that is beyond the type's largest number stands for that number, so the
// largest f64 does for all types. Gradient: 1, and 0 where x is not finite.
bg_node bg_nan_to_num(bg_graph *g, bg_node x, double nan, double pos, double neg);

// -x log x, the part of an entropy, with 0 at 0 and -infinity below. Gradient: -1 - log x;
// infinite at 0, NaN below.
bg_node bg_entr(bg_graph *g, bg_node x);

// An angle in degrees, in radians. Gradient: pi / 180.
bg_node bg_deg2rad(bg_graph *g, bg_node x);

// An angle in radians, in degrees. Gradient: 180 / pi.
bg_node bg_rad2deg(bg_graph *g, bg_node x);

// A BG_U8 mask: 1 where x is NaN, else 0. No gradient. Takes any type.
bg_node bg_isnan(bg_graph *g, bg_node x);

// A BG_U8 mask: 1 where x is infinite, else 0. No gradient. Takes any type.
bg_node bg_isinf(bg_graph *g, bg_node x);

// A BG_U8 mask: 1 where x is neither infinite nor NaN, else 0. No gradient. Takes any type.
bg_node bg_isfinite(bg_graph *g, bg_node x);

// A BG_U8 mask: 1 where x is 0, else 0. No gradient. Takes any type.
bg_node bg_logical_not(bg_graph *g, bg_node x);

// The length of (a, b), without overflow; infinite if one of them is, even if the other is NaN.
// Gradients: a / y and b / y, NaN at (0, 0) and for the infinite one.
bg_node bg_hypot(bg_graph *g, bg_node a, bg_node b);

// What the division of a by b with a quotient rounded towards 0 leaves, with the sign of a; NaN
// where b is 0 or a infinite. Exact, however large the quotient is. Gradients: 1 and -trunc(a /
// b).
bg_node bg_fmod(bg_graph *g, bg_node a, bg_node b);

// As bg_fmod, with one number for all elements.
bg_node bg_fmod_scalar(bg_graph *g, bg_node a, double b);

// What the division of a by b with a quotient rounded towards -infinity leaves, with the sign of
// b, as % does in Python; NaN where b is 0 or a infinite. It is the exact rest (plus b, where that
// has another sign), however large the quotient is. Gradients: 1 and -floor(a / b).
bg_node bg_remainder(bg_graph *g, bg_node a, bg_node b);

// As bg_remainder, with one number for all elements.
bg_node bg_remainder_scalar(bg_graph *g, bg_node a, double b);

// The quotient rounded towards -infinity; plainly a / b where b is 0. It is that of the exact
// quotient: 1 by 0.1 is 9, as 0.1 is a little more than that; 0 has the sign of a / b. Gradients:
// 0.
bg_node bg_floor_divide(bg_graph *g, bg_node a, bg_node b);

// As bg_floor_divide, with one number for all elements.
bg_node bg_floor_divide_scalar(bg_graph *g, bg_node a, double b);

// The size of a with the sign of b, which 0 has, too. (A NaN counts as positive.) Gradients: 1
// where the sign stays, -1 where it changes, 0 where a is 0 or NaN; and 0. PyTorch's is NaN where
// a is infinite or NaN.
bg_node bg_copysign(bg_graph *g, bg_node a, bg_node b);

// The larger one; NaN only if both are. Gradients: 1 and 0, at a tie 1/2 each; of two NaN to the
// first.
bg_node bg_fmax(bg_graph *g, bg_node a, bg_node b);

// The smaller one; NaN only if both are. Gradients: 1 and 0, at a tie 1/2 each; of two NaN to the
// first.
bg_node bg_fmin(bg_graph *g, bg_node a, bg_node b);

// log(e^a + e^b), without overflow. Gradients: the shares of e^a and e^b in the sum, NaN at two
// equal infinities.
bg_node bg_logaddexp(bg_graph *g, bg_node a, bg_node b);

// log2(2^a + 2^b), without overflow. Gradients: the shares of 2^a and 2^b in the sum, NaN at two
// equal infinities.
bg_node bg_logaddexp2(bg_graph *g, bg_node a, bg_node b);

// a log b, and 0 where a is 0, unless b is NaN. Gradients: log b, but 0 where a is 0 and b not
// positive; and a / b.
bg_node bg_xlogy(bg_graph *g, bg_node a, bg_node b);

// a log(1 + b), exact for small b, and 0 where a is 0, unless b is NaN. Gradients: log(1 + b), but
// 0 where a is 0 and b not above -1; and a / (1 + b).
bg_node bg_xlog1py(bg_graph *g, bg_node a, bg_node b);

// The step: 0 where a is negative or NaN, 1 where it is positive, b where it is 0. Gradients: 0;
// and 1 where a is 0, else 0. (PyTorch has none.)
bg_node bg_heaviside(bg_graph *g, bg_node a, bg_node b);

// a + weight (b - a): a at weight 0, b at weight 1, both exactly. Gradients: 1 - weight, the
// weight, and b - a.
bg_node bg_lerp(bg_graph *g, bg_node a, bg_node b, bg_node weight);

// As bg_lerp, with one number for all elements.
bg_node bg_lerp_scalar(bg_graph *g, bg_node a, bg_node b, double weight);

// x + value a b. Gradients: 1, value b and value a.
bg_node bg_addcmul(bg_graph *g, bg_node x, bg_node a, bg_node b, double value);

// x + value a / b. Gradients: 1, value / b and -value a / b^2.
bg_node bg_addcdiv(bg_graph *g, bg_node x, bg_node a, bg_node b, double value);

// x y + z, of which the product and the sum are rounded each, as by mul and add. Gradients: y, x
// and 1.
bg_node bg_fma(bg_graph *g, bg_node x, bg_node y, bg_node z);

// a 2^b; b may also be BG_I64. Gradients: 2^b and y log 2.
bg_node bg_ldexp(bg_graph *g, bg_node a, bg_node b);

// x, but at least min and at most max, which are tensors; max where min is above it; NaN if one of
// them is. Gradients: 1 for what is the value; where x is the value and a bound, too, 1/2 each,
// and 1 for x where it is both; 1 for x where one of them is NaN.
bg_node bg_clamp_tensor(bg_graph *g, bg_node x, bg_node min, bg_node max);

// x above 0, else weight times x. The weight is one number, or, as a vector, one for each channel,
// which is axis 1 of x. Gradients: 1 above 0, else the weight; and the sum of those x that are not
// above 0. K. He et al., "Delving deep into rectifiers", 2015.
bg_node bg_prelu(bg_graph *g, bg_node x, bg_node weight);

// A BG_U8 mask: 1 where neither a nor b is 0, else 0. The types of a and b need not be the same;
// no gradient. Takes any type.
bg_node bg_logical_and(bg_graph *g, bg_node a, bg_node b);

// A BG_U8 mask: 1 where a or b or both are not 0, else 0. The types of a and b need not be the
// same; no gradient. Takes any type.
bg_node bg_logical_or(bg_graph *g, bg_node a, bg_node b);

// A BG_U8 mask: 1 where one of a and b is 0 and the other is not, else 0. The types of a and b
// need not be the same; no gradient. Takes any type.
bg_node bg_logical_xor(bg_graph *g, bg_node a, bg_node b);

// A BG_U8 mask: 1 where |a - b| is at most atol + rtol |b|, or both are the same infinity; else 0.
// Two NaN are close with equal_nan. No gradient.
bg_node bg_isclose(bg_graph *g, bg_node a, bg_node b, double rtol, double atol, bool equal_nan);

// A BG_U8 mask: 1 where a = b, else 0. No gradient. Takes any type.
bg_node bg_eq(bg_graph *g, bg_node a, bg_node b);

// As bg_eq, with one number for all elements.
bg_node bg_eq_scalar(bg_graph *g, bg_node a, double b);

// A BG_U8 mask: 1 where a != b, else 0. No gradient. Takes any type.
bg_node bg_ne(bg_graph *g, bg_node a, bg_node b);

// As bg_ne, with one number for all elements.
bg_node bg_ne_scalar(bg_graph *g, bg_node a, double b);

// A BG_U8 mask: 1 where a < b, else 0. No gradient. Takes any type.
bg_node bg_lt(bg_graph *g, bg_node a, bg_node b);

// As bg_lt, with one number for all elements.
bg_node bg_lt_scalar(bg_graph *g, bg_node a, double b);

// A BG_U8 mask: 1 where a <= b, else 0. No gradient. Takes any type.
bg_node bg_le(bg_graph *g, bg_node a, bg_node b);

// As bg_le, with one number for all elements.
bg_node bg_le_scalar(bg_graph *g, bg_node a, double b);

// A BG_U8 mask: 1 where a > b, else 0. No gradient. Takes any type.
bg_node bg_gt(bg_graph *g, bg_node a, bg_node b);

// As bg_gt, with one number for all elements.
bg_node bg_gt_scalar(bg_graph *g, bg_node a, double b);

// A BG_U8 mask: 1 where a >= b, else 0. No gradient. Takes any type.
bg_node bg_ge(bg_graph *g, bg_node a, bg_node b);

// As bg_ge, with one number for all elements.
bg_node bg_ge_scalar(bg_graph *g, bg_node a, double b);

// The sum; 0 of no elements. Gradient: the cotangent, repeated. That of integers is BG_I64, and
// wraps around. Takes any type.
bg_node bg_sum(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_sum, over all elements.
bg_node bg_sum_all(bg_graph *g, bg_node x);

// The mean; NaN of no elements. (A reduction of its own, and not a sum by a number: what is
// between may leave the range.)
bg_node bg_mean(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_mean, over all elements.
bg_node bg_mean_all(bg_graph *g, bg_node x);

// The largest element; NaN if there is one. Of several, all get an equal part of the gradient,
// except along a single named axis: there the first gets all. Takes any type.
bg_node bg_max(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_max, over all elements.
bg_node bg_max_all(bg_graph *g, bg_node x);

// The smallest element; otherwise as bg_max. Takes any type.
bg_node bg_min(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_min, over all elements.
bg_node bg_min_all(bg_graph *g, bg_node x);

// The largest element; of several, all get an equal part of the gradient. Takes any type.
bg_node bg_amax(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_amax, over all elements.
bg_node bg_amax_all(bg_graph *g, bg_node x);

// The smallest element; of several, all get an equal part of the gradient. Takes any type.
bg_node bg_amin(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_amin, over all elements.
bg_node bg_amin_all(bg_graph *g, bg_node x);

// The index of the first largest element along an axis, or of the flattened tensor; a NaN counts
// as largest. The result is BG_I64, without gradient. Takes any type.
bg_node bg_argmax(bg_graph *g, bg_node x, int32_t axis, bool keepdim);

// As bg_argmax, over all elements.
bg_node bg_argmax_all(bg_graph *g, bg_node x);

// The index of the first smallest element; otherwise as bg_argmax. Takes any type.
bg_node bg_argmin(bg_graph *g, bg_node x, int32_t axis, bool keepdim);

// As bg_argmin, over all elements.
bg_node bg_argmin_all(bg_graph *g, bg_node x);

// log sum e^x without overflow; -infinity of no elements. Gradient: the softmax.
bg_node bg_logsumexp(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_logsumexp, over all elements.
bg_node bg_logsumexp_all(bg_graph *g, bg_node x);

// The variance: the sum of squared distances from the mean over count - correction. Correction 1
// is the unbiased estimate, 0 the population's.
//
// The mean is rounded. The distances from it have few digits if all elements are equal: their
// mean, taken off again, leaves nothing then, however large the elements are. And the square of
// what the distances add up to is taken off (T. Chan, G. Golub, R. LeVeque, 1983): what is left
// does not depend on the means at all, so no gradient need flow there.
bg_node bg_var(bg_graph *g,
               bg_node x,
               const int32_t *axes,
               size_t n,
               double correction,
               bool keepdim);

// The product; 1 of no elements. It is a balanced tree of products, and so is its gradient, which
// needs no division: it is right where elements are 0, to any order. Takes any type.
bg_node bg_prod(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_prod, over all elements.
bg_node bg_prod_all(bg_graph *g, bg_node x);

// The p-norm (sum |x|^p)^(1/p); the largest |x| for p infinite, the smallest for -infinity, and
// how many elements are not 0 for p = 0. Its gradient at 0 is 0; for p < 0 it is so everywhere if
// there is a 0.
bg_node bg_norm(bg_graph *g, bg_node x, double p, const int32_t *axes, size_t n, bool keepdim);

// The standard deviation, the root of bg_var. Its gradient is 0 where all elements are equal.
bg_node bg_std(bg_graph *g,
               bg_node x,
               const int32_t *axes,
               size_t n,
               double correction,
               bool keepdim);

// Whether no element is 0 (BG_U8): 1 of no elements. A NaN is not 0. No gradient. Takes any type.
bg_node bg_all(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_all, over all elements.
bg_node bg_all_all(bg_graph *g, bg_node x);

// Whether some element is not 0 (BG_U8): 0 of no elements. A NaN is not 0. No gradient. Takes any
// type.
bg_node bg_any(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_any, over all elements.
bg_node bg_any_all(bg_graph *g, bg_node x);

// How many elements are not 0 (BG_I64). A NaN is not 0. No gradient. Takes any type.
bg_node bg_count_nonzero(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_count_nonzero, over all elements.
bg_node bg_count_nonzero_all(bg_graph *g, bg_node x);

// The sum of what is no NaN. Gradient: the cotangent, 0 for NaN.
bg_node bg_nansum(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_nansum, over all elements.
bg_node bg_nansum_all(bg_graph *g, bg_node x);

// The mean of what is no NaN; NaN if nothing else is there. Gradient: a share of the cotangent, 0
// for NaN.
bg_node bg_nanmean(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_nanmean, over all elements.
bg_node bg_nanmean_all(bg_graph *g, bg_node x);

// The sums of all elements up to each one along an axis. Sums of f32 are made in f64, those of f64
// carry along what they lose, and those of integers are BG_I64. Gradient: the sums from each one
// on. Takes any type.
bg_node bg_cumsum(bg_graph *g, bg_node x, int32_t axis);

// The products of all elements up to each one along an axis. The gradient is right where elements
// are 0, to any order.
bg_node bg_cumprod(bg_graph *g, bg_node x, int32_t axis);

// log sum e^x of all elements up to each one along an axis, without overflow.
bg_node bg_logcumsumexp(bg_graph *g, bg_node x, int32_t axis);

// The largest of all elements up to each one along an axis, and its index (BG_I64): of several,
// the last; a NaN is largest. Gradient: to the elements at the indices.
bg_node bg_cummax(bg_graph *g, bg_node x, int32_t axis, bg_node *indices);

// The smallest of all elements up to each one along an axis, and its index; otherwise as
// bg_cummax.
bg_node bg_cummin(bg_graph *g, bg_node x, int32_t axis, bg_node *indices);

// The differences of neighbours along an axis, n times over: x_(k+1) - x_k. Each time the axis
// gets shorter by 1.
bg_node bg_diff(bg_graph *g, bg_node x, size_t n, int32_t axis);

// The integral along an axis by the trapezoidal rule, of values at equal distances dx. The axis is
// gone from the result.
bg_node bg_trapezoid(bg_graph *g, bg_node y, double dx, int32_t axis);

// The integral along an axis by the trapezoidal rule, of values y at the places x, which has the
// shape of y or is a vector along the axis. The axis is gone from the result.
bg_node bg_trapezoid_at(bg_graph *g, bg_node y, bg_node x, int32_t axis);

// The elements in rising order along an axis (or falling, with descending), and the indices
// (BG_I64) where they were. Of equal elements the first comes first; a NaN is larger than all
// numbers. Gradient: to where the elements were. Takes any type.
bg_node bg_sort(bg_graph *g, bg_node x, int32_t axis, bool descending, bg_node *indices);

// The indices (BG_I64) that sort a tensor along an axis; otherwise as bg_sort. No gradient. Takes
// any type.
bg_node bg_argsort(bg_graph *g, bg_node x, int32_t axis, bool descending);

// The k largest elements along an axis (or smallest, with largest false), in order, and their
// indices (BG_I64). A NaN is larger than all numbers. Gradient: to where the elements were. Takes
// any type.
bg_node bg_topk(bg_graph *g, bg_node x, size_t k, int32_t axis, bool largest, bg_node *indices);

// The k-th smallest element along an axis, counted from 1, and its index (BG_I64). A NaN is larger
// than all numbers. The axis vanishes, or stays with length 1 with keepdim. Takes any type.
bg_node bg_kthvalue(bg_graph *g, bg_node x, size_t k, int32_t axis, bool keepdim, bg_node *indices);

// Where each of values would have to be inserted into a row of sorted, which is in rising order,
// to keep it so (BG_I64): before equal elements, or behind them with right. sorted is one row, or
// has as many as values, with the same axes but for the last. Takes any type.
bg_node bg_searchsorted(bg_graph *g, bg_node sorted, bg_node values, bool right);

// The median: of an even number of elements the lower one of the two in the middle; NaN if there
// is one. Gradient: to that element. Takes any type.
bg_node bg_median(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_median, over all elements.
bg_node bg_median_all(bg_graph *g, bg_node x);

// The median of what is no NaN; NaN if nothing else is there. Otherwise as bg_median. Takes any
// type.
bg_node bg_nanmedian(bg_graph *g, bg_node x, const int32_t *axes, size_t n, bool keepdim);

// As bg_nanmedian, over all elements.
bg_node bg_nanmedian_all(bg_graph *g, bg_node x);

// The quantile of a share q from 0 to 1: between the two elements beside q (count - 1), in
// proportion, as bg_lerp has it; NaN if there is one. Where q (count - 1) is whole it is that
// element, also an infinite one, for which PyTorch gives NaN. Gradient: to those two.
bg_node bg_quantile(bg_graph *g, bg_node x, double q, const int32_t *axes, size_t n, bool keepdim);

// The same elements in row-major order in another shape; one length may be -1: what is left. Takes
// any type.
bg_node bg_reshape(bg_graph *g, bg_node x, const int64_t *shape, size_t rank);

// The axes from axis_start to axis_end, both included, as one. A 0-d tensor becomes a vector.
// Takes any type.
bg_node bg_flatten(bg_graph *g, bg_node x, int32_t axis_start, int32_t axis_end);

// One axis as several; one of their lengths may be -1: what is left. Takes any type.
bg_node bg_unflatten(bg_graph *g, bg_node x, int32_t axis, const int64_t *shape, size_t rank);

// Axis i of the result is axis order[i] of x; order names each axis once. Takes any type.
bg_node bg_permute(bg_graph *g, bg_node x, const int32_t *order, size_t n);

// Two axes exchanged. Takes any type.
bg_node bg_transpose(bg_graph *g, bg_node x, int32_t axis0, int32_t axis1);

// An axis moved to another place of the result; the others keep their order. Takes any type.
bg_node bg_movedim(bg_graph *g, bg_node x, int32_t axis_from, int32_t axis_to);

// Axes of length 1, and missing ones at the left, repeated up to these lengths; -1 keeps one.
// Gradient: summed over what was repeated. Takes any type.
bg_node bg_expand(bg_graph *g, bg_node x, const int64_t *shape, size_t rank);

// As bg_expand. Takes any type.
bg_node bg_broadcast_to(bg_graph *g, bg_node x, const int64_t *shape, size_t rank);

// Without this axis if its length is 1, else the tensor itself. Takes any type.
bg_node bg_squeeze(bg_graph *g, bg_node x, int32_t axis);

// As bg_squeeze, for all axes.
bg_node bg_squeeze_all(bg_graph *g, bg_node x);

// With a new axis of length 1 at this place of the result. Takes any type.
bg_node bg_unsqueeze(bg_graph *g, bg_node x, int32_t axis);

// The elements from start up to but without stop along an axis, every step-th, as in Python:
// negative bounds count from the end, and bounds outside are cut. step is at least 1. Takes any
// type.
bg_node bg_slice(bg_graph *g, bg_node x, int32_t axis, int64_t start, int64_t stop, int64_t step);

// The tensors one after the other along an axis they all have; other axes must agree. Gradient:
// each gets its part. Takes any type.
bg_node bg_concat(bg_graph *g, const bg_node *xs, size_t n, int32_t axis);

// The tensors, all of one shape, along a new axis at this place of the result. Gradient: each gets
// its part. Takes any type.
bg_node bg_stack(bg_graph *g, const bg_node *xs, size_t n, int32_t axis);

// What lies at one position along an axis, which vanishes. A negative index counts from the end. A
// view. Takes any type.
bg_node bg_select(bg_graph *g, bg_node x, int32_t axis, int64_t index);

// len positions of an axis from start on, which counts from the end if it is negative. A view.
// Takes any type.
bg_node bg_narrow(bg_graph *g, bg_node x, int32_t axis, int64_t start, size_t len);

// Pieces of size positions along an axis, of which the last has what is left. Views. Takes any
// type.
size_t bg_split(bg_graph *g, bg_node x, size_t size, int32_t axis, bg_node *out, size_t capacity);

// Pieces of these lengths along an axis, which they fill. Views. Takes any type.
size_t bg_split_sizes(bg_graph *g,
                      bg_node x,
                      const size_t *sizes,
                      size_t n,
                      int32_t axis,
                      bg_node *out,
                      size_t capacity);

// At most so many pieces of equal lengths along an axis; the last may be shorter. Views. Takes any
// type.
size_t bg_chunk(bg_graph *g, bg_node x, size_t chunks, int32_t axis, bg_node *out, size_t capacity);

// What lies at each position along an axis, which vanishes. Views. Takes any type.
size_t bg_unbind(bg_graph *g, bg_node x, int32_t axis, bg_node *out, size_t capacity);

// Windows of size positions along an axis, step apart: their number takes the place of the axis,
// and their positions are a new last axis. Windows may overlap. A view. Gradient: added up where
// they do. Takes any type.
bg_node bg_unfold(bg_graph *g, bg_node x, int32_t axis, size_t size, size_t step);

// The elements along these axes in reverse order. A view. Takes any type.
bg_node bg_flip(bg_graph *g, bg_node x, const int32_t *axes, size_t n);

// The elements moved on by these shifts along these axes, one after the other; those that leave at
// one end come in at the other. Without axes: by one shift, in the order of all elements. Takes
// any type.
bg_node bg_roll(bg_graph *g,
                bg_node x,
                const int64_t *shifts,
                size_t shifts_count,
                const int32_t *axes,
                size_t axes_count);

// Turned by k times 90 degrees in the plane of two axes, from the first towards the second. A
// view. Takes any type.
bg_node bg_rot90(bg_graph *g, bg_node x, int64_t k, int32_t axis0, int32_t axis1);

// One value added around a tensor. widths says how many places: a pair an axis, before and behind,
// from the last axis on. Negative ones are cut off. Gradient: that of the elements that are left.
// Takes any type.
bg_node bg_pad(bg_graph *g, bg_node x, const int64_t *widths, size_t n, double value);

// Continued at its borders as in a mirror, which does not repeat the border itself; otherwise as
// bg_pad. No wider than an axis is long, less one. Takes any type.
bg_node bg_pad_reflect(bg_graph *g, bg_node x, const int64_t *widths, size_t n);

// Continued at its borders with what is there; otherwise as bg_pad. Takes any type.
bg_node bg_pad_replicate(bg_graph *g, bg_node x, const int64_t *widths, size_t n);

// Continued at one border with what is at the other; otherwise as bg_pad. No wider than an axis is
// long. What is cut off is cut off first, and what is left goes around, more than once if need be
// (where PyTorch gives up). Takes any type.
bg_node bg_pad_circular(bg_graph *g, bg_node x, const int64_t *widths, size_t n);

// The whole tensor, so many times along each axis; repeats are aligned with the axes at the right,
// and there may be more of them. Gradient: added up. Takes any type.
bg_node bg_tile(bg_graph *g, bg_node x, const int64_t *repeats, size_t n);

// Each element so many times along an axis. Gradient: added up. Takes any type.
bg_node bg_repeat_interleave(bg_graph *g, bg_node x, size_t repeats, int32_t axis);

// For vectors, what each has along an axis of its own, all in one shape: of result i, element [j0,
// j1, ...] is element ji of xs[i]. A 0-d tensor counts as a vector. Views. Takes any type.
size_t bg_meshgrid(bg_graph *g, const bg_node *xs, size_t n, bg_node *out, size_t capacity);

// Matrices one after the other along the diagonal of a matrix of zeros. A vector counts as a row,
// a 0-d tensor as one element. Gradient: each gets its block. Takes any type.
bg_node bg_block_diag(bg_graph *g, const bg_node *xs, size_t n);

// The powers of the elements of a vector, a row each: those from 0 on in columns columns, rising
// or falling. Gradient: that of the powers.
bg_node bg_vander(bg_graph *g, bg_node x, size_t columns, bool increasing);

// A diagonal of the matrices along two axes, which vanish; it is the last axis of the result.
// offset is how far above the main diagonal it is, or, negative, below. A view of what lies in
// row-major order. Takes any type.
bg_node bg_diagonal(bg_graph *g, bg_node x, int64_t offset, int32_t axis0, int32_t axis1);

// Matrices of zeros with the last axis on a diagonal: offset above the main one or, negative,
// below. Takes any type.
bg_node bg_diag_embed(bg_graph *g, bg_node x, int64_t offset);

// Of a vector, the matrix that has it on a diagonal among zeros; of a matrix, the diagonal: k
// above the main one or, negative, below. Takes any type.
bg_node bg_diag(bg_graph *g, bg_node x, int64_t k);

// The sum of the main diagonal of a matrix. Takes any type.
bg_node bg_trace(bg_graph *g, bg_node x);

// The matrices of the last two axes with zeros above a diagonal: k above the main one or,
// negative, below. Gradient: that of the elements that are left. Takes any type.
bg_node bg_tril(bg_graph *g, bg_node x, int64_t k);

// The matrices of the last two axes with zeros below a diagonal: k above the main one or,
// negative, below. Gradient: that of the elements that are left. Takes any type.
bg_node bg_triu(bg_graph *g, bg_node x, int64_t k);

// The slices along an axis at the positions in index, a vector of BG_I64; negative ones count from
// the end. Gradient: added up at the positions. Takes any type.
bg_node bg_index_select(bg_graph *g, bg_node x, int32_t axis, bg_node index);

// The elements at the positions in index (BG_I64) along an axis: for axis 1 of a matrix, y[i][j] =
// x[i][index[i][j]]. The result has the shape of index, whose other axes are no longer than those
// of x. Indices are not negative. Gradient: added up at the positions. Takes any type.
bg_node bg_gather(bg_graph *g, bg_node x, int32_t axis, bg_node index);

// The elements at the positions in index (BG_I64, any shape), counted in the order of all
// elements; negative ones count from the end. Gradient: added up at the positions. Takes any type.
bg_node bg_take(bg_graph *g, bg_node x, bg_node index);

// The elements at the positions in index (BG_I64) along an axis, as bg_gather, of tensors whose
// other axes are broadcast to one another; negative positions count from the end. Gradient: added
// up at the positions. Takes any type.
bg_node bg_take_along_dim(bg_graph *g, bg_node x, bg_node index, int32_t axis);

// The rows of weight at an index (BG_I64) of any shape; negative ones count from the end.
// Gradient: added up at the rows. Takes any type.
bg_node bg_embedding(bg_graph *g, bg_node weight, bg_node index);

// A new last axis of length classes with 1 at the place that index (BG_I64) says, else 0. Of a
// class that there is not, all are 0.
bg_node bg_one_hot(bg_graph *g, bg_node index, size_t classes, int32_t dtype);

// alpha times the slices of src added to those of x at the positions in index, a vector of BG_I64,
// along an axis; negative ones count from the end, and what is added at one position is added up.
// Gradient: that of the result for x, and alpha times what is at the positions for src.
bg_node bg_index_add(bg_graph *g,
                     bg_node x,
                     int32_t axis,
                     bg_node index,
                     bg_node src,
                     double alpha);

// One value in the slices at the positions in index, a vector of BG_I64, along an axis; negative
// ones count from the end. Gradient: that of the others. Takes any type.
bg_node bg_index_fill(bg_graph *g, bg_node x, int32_t axis, bg_node index, double value);

// One value where the mask (BG_U8) is set, else x; broadcast to one another. Gradient: that of the
// others. Takes any type.
bg_node bg_masked_fill(bg_graph *g, bg_node x, bg_node mask, double value);

// What lies at the positions along the first axes that the last axis of index (BG_I64) lists: for
// an index of shape [.., k], the result has the shape [..] and then that of x without its first k
// axes. Negative positions count from the end. Gradient: added up at the positions. Takes any
// type.
bg_node bg_gather_nd(bg_graph *g, bg_node x, bg_node index);

// x with src in place of every step-th slice from start on along an axis: as many as src has.
// Nothing is written to x itself. Gradient: each gets that of its elements. Takes any type.
bg_node bg_slice_write(bg_graph *g,
                       bg_node x,
                       bg_node src,
                       int32_t axis,
                       int64_t start,
                       size_t step);

// x with src in place of what is at one position along an axis, which src does not have. A
// negative index counts from the end. Nothing is written to x itself. Gradient: each gets that of
// its elements. Takes any type.
bg_node bg_select_write(bg_graph *g, bg_node x, bg_node src, int32_t axis, int64_t index);

// x with the elements of src at the positions in index (BG_I64) along an axis: for axis 1 of a
// matrix, y[i][index[i][j]] = src[i][j]. Of several that are written to one place, the last one in
// row-major order is there, and gets the gradient. Indices are not negative. Takes any type.
bg_node bg_scatter(bg_graph *g, bg_node x, int32_t axis, bg_node index, bg_node src);

// x with the elements of src added at the positions in index (BG_I64) along an axis; otherwise as
// bg_scatter. Gradient: to all of them. Takes any type.
bg_node bg_scatter_add(bg_graph *g, bg_node x, int32_t axis, bg_node index, bg_node src);

// x with the elements of src joined to those at the positions in index (BG_I64) along an axis, by
// how: "sum", "prod", "mean", "amax" or "amin". Without include_self what was there before does
// not count where something is written. Gradients of equal extremes are shared evenly; those of
// products, of any order, are right where factors are 0.
bg_node bg_scatter_reduce(bg_graph *g,
                          bg_node x,
                          int32_t axis,
                          bg_node index,
                          bg_node src,
                          const char *how,
                          bool include_self);

// x with the slices of src at the positions in index, a vector of BG_I64, along an axis; otherwise
// as bg_scatter. Takes any type.
bg_node bg_index_copy(bg_graph *g, bg_node x, int32_t axis, bg_node index, bg_node src);

// The sum of a[i] b[i] of two vectors of one length: a 0-d tensor.
bg_node bg_dot(bg_graph *g, bg_node a, bg_node b);

// The matrix product over the last two axes; the others broadcast. A vector on the left is a row
// and on the right a column, and that axis is gone from the result.
bg_node bg_matmul(bg_graph *g, bg_node a, bg_node b);

// beta x + alpha a b, for matrices a and b; x is broadcast to their product. With beta 0, x does
// not count, whatever it holds.
bg_node bg_addmm(bg_graph *g, bg_node x, bg_node a, bg_node b, double beta, double alpha);

// beta x + alpha a b, for as many matrices, [count, rows, inner] and [count, inner, columns]; x is
// broadcast to their products. With beta 0, x does not count, whatever it holds.
bg_node bg_baddbmm(bg_graph *g, bg_node x, bg_node a, bg_node b, double beta, double alpha);

// The vectors along the last axis of x times the transposed weight, of shape [outputs, inputs],
// plus the bias, of shape [outputs].
bg_node bg_linear(bg_graph *g, bg_node x, bg_node weight, bg_node bias);

// All products of two vectors: y[i][j] = a[i] b[j].
bg_node bg_outer(bg_graph *g, bg_node a, bg_node b);

// The Kronecker product: each element of a times all of b, in its place. The lengths of the result
// are the products of those of a and b, aligned at the right; at most 4 axes.
bg_node bg_kron(bg_graph *g, bg_node a, bg_node b);

// The cross product of the vectors of three elements along an axis; the other axes are broadcast.
// Both have one rank.
bg_node bg_cross(bg_graph *g, bg_node a, bg_node b, int32_t axis);

// The sums of a b along an axis, of tensors that are broadcast to one another.
bg_node bg_vecdot(bg_graph *g, bg_node a, bg_node b, int32_t axis);

// Sums of products by Einstein's convention: each axis of each operand has a label, a letter, in
// the equation, as in "ij,jk->ik"; products are summed over the labels that the result has not
// got.
//
// A label that one operand has twice takes its diagonal. An ellipsis "..." stands for all axes
// that have no label; those of several operands are broadcast to one another, and are summed if
// the result has no ellipsis. Axes of length 1 are repeated where another operand's are longer.
// Without "->" the result has the ellipsis, and then the labels that occur once, capital letters
// first, by the alphabet. Spaces do not count.
//
// Any number of float tensors of one dtype. They are multiplied by matrix products, two at a time,
// in the order with the fewest multiplications; of more than six, those first that leave the
// smallest result. No intermediate result may have more than 8 axes.
bg_node bg_einsum(bg_graph *g, const char *equation, const bg_node *xs, size_t n);

// Products summed over pairs of axes: axes_a[i] of a with axes_b[i] of b, which must have one
// length each, or one of them 1. The result has the other axes of a, and then those of b. Without
// axes it has all products.
bg_node bg_tensordot(bg_graph *g,
                     bg_node a,
                     bg_node b,
                     const int64_t *axes_a,
                     size_t axes_a_count,
                     const int64_t *axes_b,
                     size_t axes_b_count);

// Products summed over the last axis of both, which must have one length. The result has the other
// axes of a, and then those of b. With a 0-d tensor, it is their product.
bg_node bg_inner(bg_graph *g, bg_node a, bg_node b);

// y_k = sum a_i weight_kij b_j + bias_k, for vectors along the last axis of a and b, whose other
// axes are the same. The weight has the shape [outputs, inputs of a, inputs of b], the bias
// [outputs].
bg_node bg_bilinear(bg_graph *g, bg_node a, bg_node b, bg_node weight, bg_node bias);

// The p-norm of the difference of each row of a, [..., rows, n], and each row of b, [..., others,
// n]: of shape [..., rows, others]. The axes before the last two are broadcast. p is not negative,
// and may be infinite.
//
// With p = 2 and more than 25 rows on one side, |a|^2 + |b|^2 - 2 a b is made of one product of
// matrices, where at least a quarter of |a|^2 + |b|^2 is left of it: up to two bits are lost. In
// all other pairs the differences are taken directly, so that nothing cancels however near they
// are. Gradient: that of bg_norm, 0 where the distance is 0.
bg_node bg_cdist(bg_graph *g, bg_node a, bg_node b, double p);

// The p-norm of a - b + eps along the last axis, of tensors that are broadcast to one another; for
// any p that bg_norm takes.
bg_node bg_pairwise_distance(bg_graph *g, bg_node a, bg_node b, double p, double eps, bool keepdim);

// The cosine of the angle between the vectors along an axis, of tensors that are broadcast to one
// another: the sum of the products of their elements, each divided by its vector's length. Lengths
// are at least eps; in the gradient they count as they are.
bg_node bg_cosine_similarity(bg_graph *g, bg_node a, bg_node b, int32_t axis, double eps);

// Each vector along an axis divided by its p-norm, or by eps if that is less; for any p that
// bg_norm takes.
bg_node bg_normalize(bg_graph *g, bg_node x, double p, int32_t axis, double eps);

// (x - mean) / sqrt(variance + eps) weight + bias, with the mean and the variance over the last
// axes, which have the shape of the weight and of the bias. The variance is the mean square of the
// distances from the mean. J. Ba, J. Kiros, G. Hinton, 2016.
bg_node bg_layer_norm(bg_graph *g, bg_node x, bg_node weight, bg_node bias, double eps);

// As bg_layer_norm, with the mean and the variance over each of so many groups of neighbouring
// channels, for x of shape [rows, channels, ...], and with a weight and a bias for each channel,
// [channels]. As many groups as channels make it an instance norm. Y. Wu, K. He, 2018.
bg_node bg_group_norm(bg_graph *g,
                      bg_node x,
                      size_t groups,
                      bg_node weight,
                      bg_node bias,
                      double eps);

// x / sqrt(mean of x^2 + eps) weight, with the mean over the last axes, which have the shape of
// the weight. B. Zhang, R. Sennrich, 2019.
bg_node bg_rms_norm(bg_graph *g, bg_node x, bg_node weight, double eps);

// e^x / sum e^x along an axis, without overflow.
bg_node bg_softmax(bg_graph *g, bg_node x, int32_t axis);

// x - log sum e^x along an axis, without overflow.
bg_node bg_log_softmax(bg_graph *g, bg_node x, int32_t axis);

// The mean over the rows of -log softmax(logits) at the row's class. Logits are [rows, classes],
// classes BG_I64 of shape [rows]; rows of class -100 are left out.
bg_node bg_cross_entropy(bg_graph *g, bg_node logits, bg_node classes);

// -x at the row's class, of log-probabilities x of shape [rows, classes] or [rows, classes, ...],
// with one class (BG_I64) for each [rows, ...]; or of one row, [classes]. Reduced; elements of
// class -100 are left out: they are 0, and the mean is over the others.
bg_node bg_nll_loss(bg_graph *g, bg_node x, bg_node classes, int32_t reduction);

// As bg_nll_loss, with the loss of each element times the weight of its class; the mean is divided
// by the sum of those weights.
bg_node bg_nll_loss_weighted(bg_graph *g,
                             bg_node x,
                             bg_node classes,
                             bg_node weights,
                             int32_t reduction);

// -log softmax(logits) at the row's class, otherwise as bg_nll_loss. With label smoothing s, from
// 0 to 1, the part s of each target is spread evenly over all classes. C. Szegedy et al., 2016.
bg_node bg_cross_entropy_with(bg_graph *g,
                              bg_node logits,
                              bg_node classes,
                              double label_smoothing,
                              int32_t reduction);

// As bg_cross_entropy_with, with a weight for each class, [classes], by which its part of a loss
// is multiplied; the mean is divided by the sum of the weights of the rows' classes.
bg_node bg_cross_entropy_weighted(bg_graph *g,
                                  bg_node logits,
                                  bg_node classes,
                                  bg_node weights,
                                  double label_smoothing,
                                  int32_t reduction);

// -sum target log softmax(logits) over the classes, for targets that are probabilities, of the
// shape of the logits: [rows, classes], [rows, classes, ...], or [classes]. With label smoothing s
// they are (1 - s) target + s / classes. Reduced; the mean is over rows.
bg_node bg_cross_entropy_soft(bg_graph *g,
                              bg_node logits,
                              bg_node target,
                              double label_smoothing,
                              int32_t reduction);

// While the graph is in training mode: each element 0 with probability p, else scaled by 1 / (1 -
// p). Otherwise the tensor itself.
//
// The choice is made from the seed, from how many random leaves and dropouts were recorded since
// the seed was set before this one, and from how many replays began since. Value and gradient have
// the same one. A replay begins, and the choice is new, with each write to any leaf, an
// optimiser's step, a rewind, a reset, a change of mode, and a resample.
bg_node bg_dropout(bg_graph *g, bg_node x, double p);

// The mean of (a - b)^2 over all elements of two tensors of one shape, which are not broadcast.
bg_node bg_mse(bg_graph *g, bg_node a, bg_node b);

// (x - target)^2, of two tensors of one shape, reduced.
bg_node bg_mse_loss(bg_graph *g, bg_node x, bg_node target, int32_t reduction);

// |x - target|, of two tensors of one shape, reduced. Gradient: 0 where they are equal.
bg_node bg_l1_loss(bg_graph *g, bg_node x, bg_node target, int32_t reduction);

// Of d = x - target: d^2 / (2 beta) where |d| is less than beta, else |d| - beta / 2; reduced.
// beta is not negative, and 0 makes it |d|. Gradient: d / beta, from -1 to 1. R. Girshick, "Fast
// R-CNN", 2015.
bg_node bg_smooth_l1_loss(bg_graph *g, bg_node x, bg_node target, double beta, int32_t reduction);

// Of d = x - target: d^2 / 2 where |d| is at most delta, else delta (|d| - delta / 2); reduced.
// delta is above 0. Gradient: d, from -delta to delta. P. Huber, 1964.
bg_node bg_huber_loss(bg_graph *g, bg_node x, bg_node target, double delta, int32_t reduction);

// -target log x - (1 - target) log(1 - x), of probabilities from 0 to 1, reduced. The logarithms
// are at least -100. Gradient: (x - target) / (x (1 - x)), with a divisor of at least 1e-12.
bg_node bg_bce_loss(bg_graph *g, bg_node x, bg_node target, int32_t reduction);

// The binary cross-entropy of the probabilities sigmoid(x), as bg_bce_loss, for any x: target
// softplus(-x) + (1 - target) softplus(x), reduced. Nothing overflows or cancels. Gradients:
// sigmoid(x) - target, and -x.
bg_node bg_bce_with_logits(bg_graph *g, bg_node x, bg_node target, int32_t reduction);

// As bg_bce_with_logits, with the first part, that of the positive class, times a weight, which is
// broadcast to x: one for each class, say.
bg_node bg_bce_with_logits_weighted(bg_graph *g,
                                    bg_node x,
                                    bg_node target,
                                    bg_node pos_weight,
                                    int32_t reduction);

// The divergence of Kullback and Leibler, element by element, of log-probabilities x from the
// probabilities target: target (log target - x), 0 where the target is 0; with log_target the
// targets are logarithms, too. Reduced: the mean is over all elements, so for the mean over
// distributions take the sum, and divide.
bg_node bg_kl_div(bg_graph *g, bg_node x, bg_node target, bool log_target, int32_t reduction);

// log(1 + e^(-target x)) for targets 1 and -1, reduced.
bg_node bg_soft_margin_loss(bg_graph *g, bg_node x, bg_node target, int32_t reduction);

// x where the target is 1, max(0, margin - x) where it is -1, and the sum of both elsewhere;
// reduced. The target, of the shape of x and of any type that has -1, gets no gradient.
bg_node bg_hinge_embedding_loss(bg_graph *g,
                                bg_node x,
                                bg_node target,
                                double margin,
                                int32_t reduction);

// max(0, margin - target (a - b)), for targets 1, where a should be the larger one, and -1; all of
// one shape; reduced.
bg_node bg_margin_ranking_loss(bg_graph *g,
                               bg_node a,
                               bg_node b,
                               bg_node target,
                               double margin,
                               int32_t reduction);

// 1 - cos where the target is 1, max(0, cos - margin) where it is -1, for the cosine of the angle
// between the vectors along the last axis of a and b, of one shape; reduced. The target has their
// shape without that axis, and any type that has -1; it gets no gradient. (To squared lengths
// 1e-12 is added.)
bg_node bg_cosine_embedding_loss(bg_graph *g,
                                 bg_node a,
                                 bg_node b,
                                 bg_node target,
                                 double margin,
                                 int32_t reduction);

// max(0, margin + distance(anchor, positive) - distance(anchor, negative)), with distances as
// those of bg_pairwise_distance for eps 1e-6; with swap that of positive and negative, if it is
// less than the last; reduced. V. Balntas et al., 2016.
bg_node bg_triplet_margin_loss(bg_graph *g,
                               bg_node anchor,
                               bg_node positive,
                               bg_node negative,
                               double margin,
                               double p,
                               bool swap,
                               int32_t reduction);

// The negative log-likelihood of targets under normal distributions with these means and
// variances: (log variance + (x - target)^2 / variance) / 2, and with full log(2 pi) / 2 more;
// reduced. The variance is broadcast to x, or has its shape without the last axis. It is taken as
// at least eps, but in the gradient counts as it is.
bg_node bg_gaussian_nll_loss(bg_graph *g,
                             bg_node x,
                             bg_node target,
                             bg_node variance,
                             bool full,
                             double eps,
                             int32_t reduction);

// The negative log-likelihood of targets under Poisson distributions, but for what depends on the
// target alone: x - target log(x + eps), or with log_input e^x - target x; reduced. With full,
// Stirling's approximation of that is added where the target is above 1: target log target -
// target + log(2 pi target) / 2.
bg_node bg_poisson_nll_loss(bg_graph *g,
                            bg_node x,
                            bg_node target,
                            bool log_input,
                            bool full,
                            double eps,
                            int32_t reduction);

// Computes x, if need be, and writes it as nested brackets; more than 1000 elements are
// abbreviated, and none are "[]". Floats are rounded to 6 (f32) or 8 (f64) digits, but not before the point: numbers that
// look alike may differ, and bg_read tells them apart. As snprintf: at most `capacity` bytes are written, a final NUL among them, and the
// length of the whole text is returned; 0 when x is not valid.
size_t bg_format(bg_graph *g,
                 bg_node x,
                 char *buffer,
                 size_t capacity);

// As bg_format, to standard output, with a final newline.
bg_status bg_print(bg_graph *g, bg_node x);

// Writes the recording: BG_TEXT or BG_DOT. Buffer and result as for bg_format.
size_t bg_format_graph(bg_graph *g, char *buffer, size_t capacity, int32_t format_code);

// As bg_format_graph, to standard output.
bg_status bg_print_graph(bg_graph *g, int32_t format_code);

// The label of x, or "" if it has none. Buffer and result as for bg_format.
size_t bg_label(bg_graph *g, bg_node x, char *buffer, size_t capacity);

// Sets how many threads may work on one evaluation of this graph; 0, the default, for as many as
// the machine has cores; at most 256. No number depends on it: results are the same bit for bit
// (see Numbers, above). The thread that asks is one of them; small evaluations stay on it, and so
// do all when the system has no other threads to give. Graphs share the others, which the first
// evaluation that is worth it starts: see bg_shutdown.
void bg_set_num_threads(bg_graph *g, size_t threads);

// How many threads may work on one evaluation of this graph: what was set, or the number of cores.
size_t bg_num_threads(const bg_graph *g);

// Ends the worker threads of this process and waits for them; evaluations that they help with go on
// without, and a later one starts them again. For programs that must leave no thread behind: after
// it, with no thread inside of a call, the library can be unloaded (dlclose), and must not be
// without it. In the child of a process that has had worker threads it does nothing: evaluations
// there use one thread, since fork leaves the others behind.
void bg_shutdown(void);

// Sets whether operations are fused into passes over memory (the default), or computed one by one,
// keeping every value: slower, and the same bit for bit (see Numbers, above), but for subnormal
// numbers of a graph that flushes them. For finding out where a value comes from.
void bg_set_fusion(bg_graph *g, bool on);

// Whether operations are fused: see bg_set_fusion. False for a NULL graph.
bool bg_fusion(const bg_graph *g);

// Sets whether evaluations, gradients and optimisers of this graph take subnormal numbers (below
// 1.2e-38 in BG_F32, 2.2e-308 in BG_F64) for zeros; off in a new graph. Many CPUs are many times
// slower where they meet them. Data of leaves stay as they are, and what only moves or chooses
// among them (views, bg_where, bg_maximum), or is its operand where that is small (bg_neg, bg_abs,
// bg_log1p, bg_expm1), may give them or 0. A change counts as a write to every leaf. Does nothing on CPUs other than x86-64 and aarch64.
void bg_set_flush_subnormals(bg_graph *g,
                             bool on);

// Whether this graph takes subnormal numbers for zeros.
bool bg_flush_subnormals(const bg_graph *g);

// Writes how the last evaluation was computed: BG_TEXT or BG_DOT. A step is one pass over memory;
// n12 is a node, dn12 the gradient of one, t3 a temporary. What is small and was met for the first
// time has no steps: it was computed node by node. Nothing, if nothing was computed yet.
// Buffer and result as for bg_format.
size_t bg_format_plan(bg_graph *g, char *buffer, size_t capacity, int32_t format_code);

// As bg_format_plan, to standard output.
bg_status bg_print_plan(bg_graph *g, int32_t format_code);

// Begins to note when each step of each evaluation runs, how many bytes it reads and writes, and
// on how many threads. What was noted before and not written is dropped.
void bg_profile_begin(bg_graph *g);

// Writes what was noted since bg_profile_begin to a file, as JSON for trace viewers (Perfetto,
// chrome://tracing, Speedscope), and stops noting. A file that is there already is replaced. When
// it cannot be written, what was noted is lost.
bg_status bg_profile_end(bg_graph *g, const char *path);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BUMPGRAD_H */
