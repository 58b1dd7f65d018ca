/*
 * banger's guest agent: shared declarations.
 *
 * One process, one poll loop, one byte stream to the host. The protocol is described in docs/agent-protocol.md; its
 * other end is src/guest. Memory is bounded: a fixed number of streams, each with at most one window of waiting bytes.
 */
#ifndef BANGER_AGENT_H
#define BANGER_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROTOCOL_VERSION 1
#define MAX_PAYLOAD 65536u
#define HEADER_SIZE 12u
#define MAX_STREAMS 256
/* Bytes under way per stream and channel before the receiver must grant more. */
#define WINDOW 262144u

enum frame_type {
  /* host to guest */
  F_OPEN = 1, F_DATA = 2, F_EOF = 3, F_WINDOW = 4, F_RESET = 5, F_CONTROL = 6, F_PING = 7,
  /* guest to host */
  F_HELLO = 16, F_OUT = 17, F_OUT_EOF = 18, F_GRANT = 19, F_RESULT = 20, F_PONG = 21, F_READY = 22, F_OPENED = 23, F_GOODBYE = 24,
};

enum operation {
  OP_EXEC = 1, OP_UNPACK = 2, OP_PACK = 3, OP_CONNECT = 4, OP_PERSONALISE = 5, OP_PORTS = 6, OP_STATS = 7, OP_POWER_OFF = 8, OP_CLOCK = 9,
  OP_RELEASE_WORK_DISK = 10, OP_TAKE_WORK_DISK = 11,
};

/* In the HELLO's flags: an exec's user is not overlooked, as it is by an agent that came before it. */
#define RUNS_AS_USERS 4

enum control { CONTROL_RESIZE = 1, CONTROL_SIGNAL = 2 };

/* A bounds-checked reader: once it has run out, everything it returns is zero, and `bad` stays set. */
struct reader {
  const uint8_t *at, *end;
  bool bad;
};
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
/* A u32 length and that many bytes. */
const uint8_t *read_bytes(struct reader *r, size_t *size);
/* The same as a newly allocated string; a NUL inside it makes the reader bad. */
char *read_string(struct reader *r);

/* A bounded writer: what does not fit is left out. */
struct writer {
  uint8_t *start, *at, *end;
};
void write_u8(struct writer *w, uint8_t v);
void write_u16(struct writer *w, uint16_t v);
void write_u32(struct writer *w, uint32_t v);
void write_u64(struct writer *w, uint64_t v);
void write_string(struct writer *w, const char *s, size_t n);
size_t room(const struct writer *w);

struct stream {
  uint32_t id; /* 0 = free slot */
  int in;      /* where the host's bytes go; -1 = closed */
  int out[2];  /* where bytes for the host come from (0 stdout, 1 stderr); -1 = ended */
  uint32_t credit[2];
  uint8_t *pending; /* a ring of WINDOW bytes that `in` has not taken yet; allocated with the first of them */
  size_t pending_at, pending_size;
  uint32_t ungranted;
  bool in_eof; /* the host has said that nothing more comes */
  bool tty, connection, connecting;
  bool resting; /* a terminal that nobody has open at the moment: polling it would spin */
  pid_t pid; /* 0 = a connection, or a request that waits */
  bool exited;
  int status;
  int64_t exited_ms;
  uint32_t owed[2]; /* bytes that were waiting when the command ended: delivered however slow the host reads */
  uint16_t port;    /* of a connection being made */
  uint8_t *waiting; /* an exec request that waits for basic.target */
  size_t waiting_size;
};

/* transport.c: each returns a non-blocking descriptor, or -1 with errno. */
extern int transport; /* -1 = no host */
int open_port(void);
int listen_at(const char *path);
int listen_at_vsock(unsigned port);
/* The machine ends when the guest restarts, and not when it powers off: Firecracker, which is where vsock is. */
extern bool ends_by_restart;

/* frames.c */
#define OUT_CAPACITY (1u << 20)
/* Beyond this, children are not read and requests not taken: the host must read first. */
#define OUT_HIGH (512u << 10)
#define CHUNK 32768u
extern uint8_t out_buffer[OUT_CAPACITY];
extern size_t out_at, out_size;
/* False when the host has gone. */
bool flush_out(void);
/* Room at the buffer's end that is counted as written; what stays unused of it is taken back from out_size. */
uint8_t *append_out(size_t n);
void put_frame_header(uint8_t *p, uint32_t length, uint32_t id, uint8_t type, uint8_t flags);
void send_frame(uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t n);
void send_u32(uint8_t type, uint32_t id, uint32_t value);
void send_result(uint32_t id, int error, const void *value, size_t n);

/* session.c */
#define NONCE_SIZE 16
extern const uint8_t sync_magic[8], ack_magic[8];
extern uint8_t in_buffer[2 * (MAX_PAYLOAD + HEADER_SIZE)];
extern size_t in_size;
extern bool in_sync;
extern bool stalled; /* frames are here that wait for the host to read */
/* False when the host has gone. */
bool read_in(void);
void parse_in(void);
/* Ends the session and forgets what was under way; the descriptor is the loop's to close. */
void lose_connection(void);

/* streams.c */
/* How long output is still awaited from children of a command that has itself ended. */
#define GRACE_MS 100
extern struct stream streams[MAX_STREAMS];
int64_t now_ms(void);
void close_fd(int *fd);
struct stream *find_stream(uint32_t id);
void drop_stream(struct stream *s, int sig);
bool take_data(struct stream *s, const uint8_t *p, size_t n);
void drain_in(struct stream *s);
void read_out(struct stream *s, int channel);
void finish_if_done(struct stream *s);
void reap(void);

/* requests.c */
extern int notify; /* where init waits for a byte that says: personalised */
extern bool personalised, basic;
bool open_stream(uint32_t id, struct reader *r);
void finish_connect(struct stream *s);
/* Begins what has waited for basic.target, once its file is in the directory. */
void notice_basic(const char *run_dir);

/* What stands behind a stream. Each `start` returns 0 or an errno, and then leaves no descriptor open. */
/* process.c */
int start_exec(struct stream *s, struct reader *r);
int start_unpack(struct stream *s, struct reader *r);
int start_pack(struct stream *s, struct reader *r);
void control_stream(struct stream *s, struct reader *r);
/* connect.c */
int start_connect(struct stream *s, struct reader *r);
/* `in` has become writable: 0 = connected, EINPROGRESS = trying the next address, else an errno. */
int continue_connect(struct stream *s);

/* network.c: 0 or an errno. The MAC is left as it is when it has no bytes, the route when the gateway is empty. */
int set_network(const char *address, uint8_t prefix, const char *gateway, const uint8_t *mac, size_t mac_size);

/* personalise.c: 0 or an errno, with the object it failed on in `where`. */
int personalise(struct reader *r, char *where, size_t size);

/* clock.c */
uint64_t wall_clock_ns(void);
/* Forward by so many ns, or back: 0 or an errno. */
int step_clock(int64_t ns);

/* work-disk.c: 0 or an errno. Released, it is not mounted, and nothing of its content is remembered; EBUSY: it stays mounted. */
int release_work_disk(void);
int take_work_disk(void);

/* info.c */
void report_ports(struct writer *w);
void report_stats(struct writer *w);
void read_small_file(const char *path, char *out, size_t size);

/* loop.c: returns only when it cannot go on. */
struct watched {
  int children;      /* a signalfd for SIGCHLD, and for SIGIO, which says that the port has a host or none */
  int listener;      /* -1 = the transport is a port */
  int run_dir_watch; /* an inotify of run_dir, where basic.target's file will be */
  const char *run_dir;
};
void serve(const struct watched *w);

#endif
