/* A guest in the host's process: the host's signals, children and cancelled threads.
 *
 *     guest               all but the next
 *     guest namespace     children that have the number of their parent; 77 if there can be none */

#define _GNU_SOURCE

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { SIZE = 300000 };

/* An evaluation of a fresh graph on three threads; whether the result is as it was. */
static bool evaluates(void) {
    static double first;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    bg_graph *g = bg_graph_new();
    bg_set_num_threads(g, 3);
    bg_node x = bg_uniform(g, BG_F64, (size_t[]){SIZE}, 1, 0, 1);
    bg_set_requires_grad(g, x, true);
    bg_node y = bg_sum_all(g, bg_sin(g, bg_exp(g, x)));
    double sum = NAN;
    bool is_good = bg_backward(g, y) == BG_OK && bg_item(g, y, &sum) == BG_OK;
    bg_graph_free(g);
    pthread_mutex_lock(&lock);
    first = first == 0 ? sum : first;
    is_good &= sum == first;
    pthread_mutex_unlock(&lock);
    return is_good;
}

/* How many threads the process has, and how many of them have this name. */
static int threads(const char *name) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
        char path[300], found[32] = "";
        if (*task->d_name == '.') {
            continue;
        }
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            count += fgets(found, sizeof found, file) != NULL &&
                     (name == NULL || strncmp(found, name, strlen(name)) == 0);
            fclose(file);
        }
    }
    closedir(tasks);
    return count;
}

/* Whether there are soon so many threads of this name: they may be on their way in, or out. */
static bool are_soon(const char *name, int wanted) {
    for (int i = 0; i < 5000 && threads(name) != wanted; i++) {
        nanosleep(&(struct timespec){0, 1000 * 1000}, NULL);
    }
    return threads(name) == wanted;
}

/* ---- signals ---- */

static pthread_t host;
static volatile sig_atomic_t alarms, elsewhere;

static void on_alarm(int signal) {
    (void)signal;
    alarms++;
    elsewhere += !pthread_equal(pthread_self(), host);
}

/* The workers are there before the host blocks anything. */
static void a_signal_that_is_awaited(void) {
    CHECK(evaluates() && are_soon("bumpgrad", 2));
    sigset_t term, before, after;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    CHECK(pthread_sigmask(SIG_BLOCK, &term, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        CHECK(kill(getpid(), SIGTERM) == 0);
        CHECK(evaluates());
        CHECK(sigtimedwait(&term, NULL, &(struct timespec){10, 0}) == SIGTERM);
    }
    /* Starting threads leaves the mask of the one who does it as it was. */
    bg_shutdown();
    CHECK(are_soon(NULL, 1));
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &before) == 0);
    CHECK(evaluates() && are_soon("bumpgrad", 2));
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &after) == 0);
    for (int signal = 1; signal < 32; signal++) {
        CHECK(sigismember(&before, signal) == sigismember(&after, signal));
    }
}

static void a_handler_runs_on_a_thread_of_the_host(void) {
    host = pthread_self();
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
    CHECK(sigaction(SIGALRM, &action, &before) == 0);
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int i = 0; i < 1000 && alarms < 50; i++) {
        CHECK(evaluates());
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(alarms >= 50 && elsewhere == 0);
    CHECK(sigaction(SIGALRM, &before, NULL) == 0);
}

/* Faults of a worker would be its own: everything else is blocked. */
static void masks(void) {
    sigset_t faults;
    sigemptyset(&faults);
    int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    int workers = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
        char path[300], line[200];
        bool is_worker = false;
        if (*task->d_name == '.') {
            continue;
        }
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            unsigned long long blocked;
            is_worker |= strncmp(line, "Name:\tbumpgrad\n", 15) == 0;
            if (is_worker && sscanf(line, "SigBlk: %llx", &blocked) == 1) {
                workers++;
                for (int signal = 1; signal < 32; signal++) {
                    bool is_own = signal == SIGKILL || signal == SIGSTOP;
                    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
                        is_own |= signal == own[i];
                    }
                    CHECK((blocked >> (signal - 1) & 1) == !is_own);
                }
            }
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    closedir(tasks);
    CHECK(workers == 2);
}

/* ---- cancellation ---- */

static bg_graph *shared;

/* Evaluates, prints, writes files, starts and ends threads, until it is cancelled. */
static void *work_for_ever(void *nothing) {
    bg_graph *g = shared;
    for (;;) {
        bg_profile_begin(g);
        bg_node x = bg_full(g, BG_F32, (size_t[]){SIZE}, 1, 0.5);
        bg_node y = bg_mean_all(g, bg_exp(g, x));
        bg_print(g, y);
        bg_print_graph(g, BG_TEXT);
        bg_profile_end(g, "/dev/null");
        bg_num_threads(g);
        bg_shutdown();
        bg_reset(g);
        pthread_testcancel();
    }
    return nothing;
}

static void cancelled_threads(void) {
    fflush(stdout);
    int out = dup(1);
    CHECK(freopen("/dev/null", "w", stdout) != NULL);
    setvbuf(stdout, NULL, _IONBF, 0);
    shared = bg_graph_new();
    bg_set_num_threads(shared, 3);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, work_for_ever, NULL) == 0);
        nanosleep(&(struct timespec){0, i * 37000L}, NULL);
        CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
        /* What was cancelled was between two calls. */
        CHECK(bg_last_status(shared) == BG_OK);
        bg_node two = bg_full(shared, BG_F32, (size_t[]){SIZE}, 1, 2);
        IS(shared, bg_sum_all(shared, bg_square(shared, two)), 4.0 * SIZE);
    }
    bg_graph_free(shared);
    CHECK(evaluates());
    fflush(stdout);
    dup2(out, 1);
    close(out);
}

/* ---- children ---- */

static bool is_done(pid_t child) {
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void a_child_has_no_threads(void) {
    CHECK(evaluates());
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        CHECK(evaluates() && threads(NULL) == 1);
        bg_shutdown();
        CHECK(evaluates() && threads(NULL) == 1);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            alarm(60);
            _exit(evaluates() && threads(NULL) == 1 ? 0 : 1);
        }
        CHECK(is_done(grandchild));
        _exit(failures != 0);
    }
    CHECK(is_done(child));
    CHECK(evaluates() && are_soon("bumpgrad", 2));
}

/* A process that is the first of its namespace has workers, and so has its child one that is the
 * first of another one: the number is the same, the process is not. */
static int children_with_one_number(void) {
    if (unshare(CLONE_NEWPID) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
            return 77;
        }
    }
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        CHECK(getpid() == 1);
        CHECK(evaluates());
        if (unshare(CLONE_NEWPID) != 0) {
            _exit(77);
        }
        pid_t grandchild = fork();
        if (grandchild == 0) {
            alarm(60);
            CHECK(getpid() == 1);
            CHECK(evaluates());
            bg_shutdown();
            CHECK(evaluates());
            _exit(failures != 0);
        }
        CHECK(is_done(grandchild));
        CHECK(evaluates());
        _exit(failures != 0);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : failures != 0;
}

int main(int argc, char **argv) {
    alarm(300); /* rather than hang */
    if (argc > 1 && strcmp(argv[1], "namespace") == 0) {
        return children_with_one_number();
    }
    a_signal_that_is_awaited();
    masks();
    a_child_has_no_threads();
    a_handler_runs_on_a_thread_of_the_host();
    cancelled_threads();
    bg_shutdown();
    CHECK(are_soon(NULL, 1));
    return failures != 0;
}
