/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QEMU stand-in's parts: standin.c starts it and waits, standin_dev.c has the devices,
 * standin_qmp.c the monitor's connection, standin_cmd.c its commands, standin_mig.c migrations.
 */
#ifndef TESTS_SIM_STANDIN_H
#define TESTS_SIM_STANDIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define MAX_DEVICES 32
#define ERR_LEN	    512

struct device {
	char id[64], host[64], bus[64], addr[16], driver[32];
	char group[64]; /* path of its VFIO group, shown; "" without */
	int fd;		/* of the function, or -1 */
	bool seen;	/* by the guest */
	bool leaving;	/* the guest was asked to let go of it */
	double asked;
};

/* A migration from here. */
struct outgoing {
	char status[16]; /* MigrationStatus, "" if there was none */
	char before[20]; /* how the guest was when it began */
	char error[ERR_LEN];
	int fd;
	double begun;
	bool sent;
};

struct vm {
	const char *root;    /* put before all paths; "" */
	const char *control; /* folder with what a test wants, and where we tell; or NULL */
	char status[20];     /* RunState */
	bool quit;	     /* end as after a clean exit */
	bool poweroff;	     /* ... of the guest */
	struct device devices[MAX_DEVICES];
	size_t n;
	/* a migration to here */
	int incoming, stream;
	bool autostart;
	struct outgoing out;
	/* the monitor */
	int listener, client;
	bool negotiated, hung;
	char *input;
	size_t have;
};

/* standin.c */
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
__attribute__((format(printf, 2, 3))) char *below(const struct vm *vm, const char *fmt, ...);
double now(void);
double seconds(const char *text);
/* What the test has written to that file of the folder, without its last line end; false: nothing.
 */
bool knob(const struct vm *vm, const char *name, char *text, size_t size);
/* A UNIX socket at that path (root is before it already), listening or connected; -1 with errno. */
int unix_socket(const char *path, bool listens);
/* Write down for the test how things are. */
void tell(const struct vm *vm);

/* standin_dev.c: words are those of -device. False, with QEMU's words in err. */
bool device_plug(struct vm *vm, const char *words, bool seen, char err[ERR_LEN]);
struct device *device_find(struct vm *vm, const char *id);
/* The guest is asked; what becomes of it is seen by device_tick(). */
void device_ask(struct vm *vm, struct device *d);
void device_tick(struct vm *vm);
bool device_waits(const struct vm *vm);

/* standin_qmp.c */
void qmp_listen(struct vm *vm, const char *path);
void qmp_accept(struct vm *vm);
void qmp_read(struct vm *vm);
/* Steals data. */
void qmp_event(struct vm *vm, const char *name, json_t *data);

/*
 * standin_cmd.c: run one; its result, or NULL with the class and description of an error. args may
 * be NULL.
 */
json_t *command_run(struct vm *vm, const char *name, json_t *args, const char **cls,
		    char err[ERR_LEN]);
/* The state of it all, as "x-sim-guest" and the file say. */
json_t *guest_state(const struct vm *vm);

/* standin_mig.c */
void incoming_listen(struct vm *vm, const char *uri);
void incoming_accept(struct vm *vm);
void incoming_read(struct vm *vm);
bool outgoing_begin(struct vm *vm, const char *uri, char err[ERR_LEN]);
void outgoing_cancel(struct vm *vm);
bool outgoing_is_active(const struct vm *vm);
void outgoing_tick(struct vm *vm);
void outgoing_read(struct vm *vm);

#endif
