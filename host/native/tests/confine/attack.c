/* Attacks that need a static binary: no interpreter, no library, no environment decides about it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in local(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int told(int fd) {
    char text[64];
    ssize_t length = read(fd, text, sizeof text);
    if (length > 0) fwrite(text, 1, length, stdout);
    return 0;
}

static int failed(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

static int plain(int port) {
    struct sockaddr_in address = local(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (void *)&address, sizeof address)) return failed("connect");
    return told(fd);
}

static int by_ring(int port) {
    struct io_uring_params params = {0};
    int ring = syscall(SYS_io_uring_setup, 4, &params);
    if (ring < 0) return failed("io_uring_setup");
    size_t size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    char *queue = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entries =
        mmap(0, params.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    struct sockaddr_in address = local(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(entries, 0, sizeof *entries);
    entries[0].opcode = IORING_OP_CONNECT;
    entries[0].fd = fd;
    entries[0].addr = (unsigned long)&address;
    entries[0].off = sizeof address;
    ((unsigned *)(queue + params.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(queue + params.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0) return failed("io_uring_enter");
    return told(fd);
}

/* The 32-bit entry of the kernel, whose numbers a filter for 64 bits does not know. */
static int by_other_architecture(int port) {
#ifdef __x86_64__
    unsigned *low = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    struct sockaddr_in address = local(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memcpy(low + 8, &address, sizeof address);
    low[0] = fd, low[1] = (unsigned)(unsigned long)(low + 8), low[2] = sizeof address;
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(102), "b"(3), "c"(low) : "memory", "r8", "r9", "r10", "r11");
    if (result < 0) return errno = -result, failed("socketcall");
    return told(fd);
#else
    (void)port;
    return puts("no such architecture"), 1;
#endif
}

static int in_clone(void *unused) { return (void)unused, 0; }

static int by_clone(void) {
    char *stack = malloc(65536);
    int child = clone(in_clone, stack + 65536, CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, 0);
    if (child < 0) return failed("clone");
    waitpid(child, 0, 0);
    return puts("forbidden"), 0;
}

static int by_clone3(void) {
    struct clone_args arguments = {.flags = CLONE_NEWUSER | CLONE_NEWNET, .exit_signal = SIGCHLD};
    int child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child < 0) return failed("clone3");
    if (child == 0) _exit(0);
    waitpid(child, 0, 0);
    return puts("forbidden"), 0;
}

static struct sockaddr_un shared, good, bad;
static int slot, own, other;
static volatile int done;

static void *swap_address(void *unused) {
    while (!done) {
        memcpy(&shared, &bad, sizeof shared);
        __asm__ volatile("" ::: "memory");
        memcpy(&shared, &good, sizeof shared);
        __asm__ volatile("" ::: "memory");
    }
    return unused;
}

static void *swap_descriptor(void *unused) {
    while (!done) {
        dup2(own, slot);
        dup2(other, slot);
    }
    return unused;
}

static int listen_at(const char *path) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    good.sun_family = AF_UNIX;
    strncpy(good.sun_path, path, sizeof good.sun_path - 1);
    if (bind(fd, (void *)&good, sizeof good) || listen(fd, 4096)) return failed("listen"), -1;
    return fd;
}

static void name_forbidden(const char *path) {
    bad.sun_family = AF_UNIX;
    strncpy(bad.sun_path, path, sizeof bad.sun_path - 1);
}

/* A thread changes the address between an allowed and a forbidden one while connect reads it. */
static int race_address(const char *forbidden, const char *allowed) {
    int server = listen_at(allowed), reached = 0;
    name_forbidden(forbidden);
    shared = good;
    pthread_t thread;
    pthread_create(&thread, 0, swap_address, 0);
    int round = 0;
    /* Long enough for both threads to run at the same time, also on a busy machine. */
    for (time_t end = time(0) + 4; time(0) < end && reached < 100; round++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fd, (void *)&shared, sizeof shared) == 0) {
            struct sockaddr_un peer = {0};
            socklen_t length = sizeof peer;
            getpeername(fd, (void *)&peer, &length);
            reached += strcmp(peer.sun_path, forbidden) == 0;
        }
        close(fd);
        int accepted = accept4(server, 0, 0, SOCK_NONBLOCK);
        if (accepted >= 0) close(accepted);
    }
    done = 1;
    pthread_join(thread, 0);
    printf("%d rounds, %d reached\n", round, reached);
    if (reached) puts("forbidden");
    return 0;
}

/* A thread changes the socket under a descriptor: an internet socket to be checked, a Unix socket to be connected. */
static int race_descriptor(const char *forbidden, const char *allowed) {
    int reached = 0;
    (void)allowed;
    name_forbidden(forbidden);
    slot = dup(0);
    int round = 0;
    for (time_t end = time(0) + 4; time(0) < end && reached < 20; round++) {
        own = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        other = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        pthread_t thread;
        done = 0;
        pthread_create(&thread, 0, swap_descriptor, 0);
        for (int try = 0; try < 200; try++) {
            connect(slot, (void *)&bad, sizeof bad);
            usleep(10);
        }
        done = 1;
        pthread_join(thread, 0);
        struct sockaddr_un peer = {0};
        socklen_t length = sizeof peer;
        reached += getpeername(other, (void *)&peer, &length) == 0;
        close(own), close(other);
    }
    printf("%d rounds, %d reached\n", round, reached);
    if (reached) puts("forbidden");
    return 0;
}

/* Not an attack: becomes a program for which the kernel does not have some system calls. */
static int without(const char *list, char **command) {
    struct sock_filter filter[64] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)};
    int length = 1;
    for (const char *at = list; *at && length < 60; at += strcspn(at, ","), at += *at == ',') {
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, atoi(at), 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return failed("prctl");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) return failed("seccomp");
    execv(command[0], command);
    return failed("execv");
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    int port = count > 2 ? atoi(arguments[2]) : 0;
    signal(SIGPIPE, SIG_IGN);
    if (!strcmp(what, "connect")) return plain(port);
    if (!strcmp(what, "io_uring")) return by_ring(port);
    if (!strcmp(what, "without")) return without(arguments[2], arguments + 3);
    if (!strcmp(what, "i386")) return by_other_architecture(port);
    if (!strcmp(what, "clone")) return by_clone();
    if (!strcmp(what, "clone3")) return by_clone3();
    if (!strcmp(what, "race_address")) return race_address(arguments[2], arguments[3]);
    if (!strcmp(what, "race_descriptor")) return race_descriptor(arguments[2], arguments[3]);
    return 2;
}
