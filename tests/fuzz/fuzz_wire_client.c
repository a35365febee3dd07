/* SPDX-License-Identifier: PostgreSQL */
/*
 * Whatever an agent sends before it closes: the client gives its caller exactly
 * what the codec accepts as the one reply to this question, and wipes the rest.
 * `make check` feeds the corpus through fuzz_main.c; to search:
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
 *     -Isrc -Wl,--wrap=connect tests/fuzz/fuzz_wire_client.c src/wire/wire.c \
 *     src/wire/wire_client.c src/base/text.c src/base/reason.c \
 *     src/base/status.c -o fuzz_wire_client && \
 *     ./fuzz_wire_client -max_total_time=60 -max_len=9000 NEW \
 *       tests/fuzz/wire_client
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/wire_client.h"

#define REPLY_SIZE 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n);

static const uint8_t *said;
static size_t said_len;

static void check(bool fine)
{
	if (!fine)
		abort();
}

/* The socket becomes one end of a pair, at whose other end all has been
 * said. */
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n)
{
	int ends[2];

	(void)a;
	(void)n;
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	check(said_len == 0 ||
	      write(ends[1], said, said_len) == (ssize_t)said_len);
	check(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
	check(dup2(ends[0], fd) == fd);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* A socket to look at, which nobody connects to. */
static const char *socket_path(void)
{
	static struct sockaddr_un address;
	static char folder[] = "/tmp/fuzz_wire_client.XXXXXX";
	int fd;

	if (address.sun_path[0] == '\0') {
		check(mkdtemp(folder) != NULL);
		address.sun_family = AF_UNIX;
		snprintf(address.sun_path, sizeof(address.sun_path), "%s/s",
			 folder);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		check(bind(fd, (struct sockaddr *)&address, sizeof(address)) ==
		      0);
		close(fd);
	}
	return address.sun_path;
}

static void remove_socket(void)
{
	char path[108];

	snprintf(path, sizeof(path), "%s", socket_path());
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char reply[REPLY_SIZE];
	static bool begun;
	unsigned char request[64];
	struct wire_client_request r = { .frame = request,
					 .timeout_ms = 10000 };
	struct wire_message m = { 0 }, expected = { 0 };
	struct reason why = { "" };
	struct wire_out out;
	enum status s;
	bool right;

	if (!begun)
		atexit(remove_socket);
	begun = true;
	/* What fits into the pair's buffer; beyond REPLY_SIZE is refused. */
	said = data;
	said_len = size < 65536 ? size : 65536;
	wire_begin(&out, request, sizeof(request), WIRE_VERIFY);
	wire_put_text(&out, WIRE_TAG_USER, "sap");
	wire_put_text(&out, WIRE_TAG_PASSWORD, "password");
	check(wire_end(&out, &r.len) == STATUS_OK);
	r.socket = socket_path();
	s = wire_client_call(&r, reply, sizeof(reply), &m, &why);
	right = said_len <= sizeof(reply) &&
		wire_parse(said, said_len, true, &expected, NULL) ==
			STATUS_OK &&
		expected.operation == WIRE_VERIFY;
	check(right == (s == STATUS_OK));
	if (right) {
		check(m.operation == WIRE_VERIFY && m.reply);
		check(m.len == expected.len &&
		      memcmp(m.body, expected.body, m.len) == 0);
		return 0;
	}
	check(why.text[0] != '\0');
	check(s == STATUS_CORRUPT || (s == STATUS_NOT_FOUND && said_len == 0));
	for (size_t i = 0; i < sizeof(reply); i++)
		check(reply[i] == 0);
	return 0;
}
