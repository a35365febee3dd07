/* SPDX-License-Identifier: PostgreSQL */
/*
 * One question to the agent inside a process that is not ours; must never wait
 * longer than its caller allowed, nor talk to whom the caller has no reason to
 * trust.
 */
#include "wire/wire_client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* What the kernel calls a uid that our user namespace has no number for: all
 * users outside it look the same. */
#define UID_UNMAPPED ((uid_t)65534)

/* connect() to a full queue cannot be waited for with poll(). */
#define QUEUE_PAUSE_MS 5

struct deadline {
	struct timespec end;
};

static struct deadline deadline_in(unsigned ms)
{
	struct deadline d;

	clock_gettime(CLOCK_MONOTONIC, &d.end);
	d.end.tv_sec += (time_t)(ms / 1000);
	d.end.tv_nsec += (long)(ms % 1000) * 1000000;
	if (d.end.tv_nsec >= 1000000000) {
		d.end.tv_sec++;
		d.end.tv_nsec -= 1000000000;
	}
	return d;
}

/* What is left, rounded up; 0 when it is over. */
static int remaining_ms(const struct deadline *d)
{
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (int64_t)(d->end.tv_sec - now.tv_sec) * 1000000000 +
	     (d->end.tv_nsec - now.tv_nsec);
	if (ns <= 0)
		return 0;
	ns = (ns + 999999) / 1000000;
	return ns > INT_MAX ? INT_MAX : (int)ns;
}

static enum status timed_out(struct reason *why, const char *path,
			     const char *what)
{
	return reason_set(why, STATUS_TIMEOUT,
			  "the agent at %s did not %s in time", path, what);
}

/* ---- Whom to trust ------------------------------------------------------- */

struct trust {
	uid_t own;
	uid_t root;   /* the owner of "/" if that is UID_UNMAPPED, else 0 */
	uid_t folder; /* the owner of the socket's folder */
};

static bool is_trusted(const struct trust *t, uid_t uid)
{
	if (uid == 0 || uid == t->own)
		return true;
	return uid == t->folder && uid != UID_UNMAPPED;
}

static enum status refuse_untrusted(struct reason *why, const char *what,
				    const char *fault)
{
	return reason_set(why, STATUS_DENIED,
			  "%s %s, so what listens there is not to be trusted",
			  what, fault);
}

static enum status cannot_look(struct reason *why, const char *path)
{
	int e = errno;

	if (e == ENOENT || e == ENOTDIR)
		return reason_set(why, STATUS_NOT_FOUND,
				  "there is no agent: %s does not exist", path);
	return reason_set(why, e == EACCES ? STATUS_DENIED : STATUS_ERROR,
			  "cannot look at %s: %s", path, strerrordesc_np(e));
}

/*
 * One folder on the way to the socket.  Who may write to a folder may put
 * another socket into it, and its owner may always; a sticky one (/tmp) is
 * passed through when what is below it belongs to root or to us.
 */
static enum status check_folder(const char *path, bool last, bool *below_sticky,
				struct trust *t, struct reason *why)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return cannot_look(why, path);
	if (*below_sticky && st.st_uid != 0 && st.st_uid != t->own)
		return refuse_untrusted(why, path, "belongs to another user");
	/* /var/run is a link. */
	if (S_ISLNK(st.st_mode)) {
		if (st.st_uid != 0 && st.st_uid != t->own)
			return refuse_untrusted(why, path,
						"is another user's link");
		if (stat(path, &st) < 0)
			return cannot_look(why, path);
	}
	if (!S_ISDIR(st.st_mode))
		return refuse_untrusted(why, path, "is not a folder");
	/* In a user namespace that does not know root. */
	if (path[1] == '\0' && st.st_uid == UID_UNMAPPED)
		t->root = UID_UNMAPPED;
	if (!last && st.st_uid != 0 && st.st_uid != t->own &&
	    st.st_uid != t->root)
		return refuse_untrusted(why, path, "belongs to another user");
	*below_sticky = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
	if (*below_sticky && (last || !(st.st_mode & S_ISVTX)))
		return refuse_untrusted(why, path, "may be written by others");
	t->folder = st.st_uid;
	return STATUS_OK;
}

/* The folders from the root to the socket's own, and the socket. */
static enum status check_path(const char *path, struct trust *ret_trust,
			      struct reason *why)
{
	struct trust t = { .own = geteuid() };
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *last = strrchr(path, '/'), *p = path;
	bool below_sticky = false;
	struct stat st;
	enum status s;

	for (;;) {
		size_t n = p == path ? 1 : (size_t)(p - path);

		memcpy(folder, path, n);
		folder[n] = '\0';
		s = check_folder(folder, p == last, &below_sticky, &t, why);
		if (s != STATUS_OK)
			return s;
		if (p == last)
			break;
		p = strchr(p + 1, '/');
	}
	if (lstat(path, &st) < 0)
		return cannot_look(why, path);
	if (!S_ISSOCK(st.st_mode))
		return refuse_untrusted(why, path, "is not a socket");
	if (!is_trusted(&t, st.st_uid))
		return refuse_untrusted(why, path, "belongs to another user");
	*ret_trust = t;
	return STATUS_OK;
}

static enum status check_peer(int fd, const struct trust *t, const char *path,
			      struct reason *why)
{
	struct ucred peer = { 0 };
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return reason_set(why, STATUS_ERROR,
				  "the kernel does not say who listens at %s: "
				  "%s",
				  path, strerrordesc_np(errno));
	if (n != sizeof(peer) || !is_trusted(t, peer.uid))
		return reason_set(why, STATUS_DENIED,
				  "uid %u listens at %s, which is neither root "
				  "nor the owner of that folder",
				  (unsigned)peer.uid, path);
	return STATUS_OK;
}

/* ---- The connection ------------------------------------------------------ */

/* A descriptor from 0 to 2 that the process had closed would later be taken
 * for its standard error, and its messages sent to the agent. */
static int open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int moved, e;

	if (fd < 0 || fd > 2)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	e = errno;
	close(fd);
	errno = e;
	return moved;
}

static enum status connect_to(int fd, const char *path,
			      const struct deadline *d, struct reason *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int left;

	memcpy(address.sun_path, path, strlen(path) + 1);
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) <
	       0) {
		if (errno == EISCONN)
			break;
		if (errno != EAGAIN && errno != EINTR && errno != EALREADY &&
		    errno != EINPROGRESS) {
			if (errno == ECONNREFUSED)
				return reason_set(why, STATUS_NOT_FOUND,
						  "no agent listens at %s",
						  path);
			if (errno == EACCES || errno == EPERM)
				return reason_set(why, STATUS_DENIED,
						  "%s may not be used by us",
						  path);
			return cannot_look(why, path);
		}
		left = remaining_ms(d);
		if (left == 0)
			return timed_out(why, path, "take the connection");
		poll(NULL, 0, left < QUEUE_PAUSE_MS ? left : QUEUE_PAUSE_MS);
	}
	return STATUS_OK;
}

/* Wait until the socket is ready; a signal costs nothing but the time that
 * has passed. */
static bool wait_ready(int fd, short events, const struct deadline *d)
{
	struct pollfd f = { .fd = fd, .events = events };
	int left;

	while ((left = remaining_ms(d)) > 0) {
		int n = poll(&f, 1, left);

		if (n > 0 || (n < 0 && errno != EINTR))
			return true; /* an error is told by the next call */
	}
	return false;
}

static enum status send_all(int fd, const unsigned char *bytes, size_t n,
			    const struct deadline *d, const char *path,
			    struct reason *why)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent >= 0) {
			bytes += sent;
			n -= (size_t)sent;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			/* It may have said why before it closed. */
			return STATUS_OK;
		} else if (errno != EAGAIN && errno != EINTR) {
			return reason_set(why, STATUS_ERROR,
					  "cannot write to the agent at %s: %s",
					  path, strerrordesc_np(errno));
		} else if (!wait_ready(fd, POLLOUT, d)) {
			return timed_out(why, path, "take the request");
		}
	}
	return STATUS_OK;
}

static enum status no_reply(struct reason *why, const char *path,
			    const char *fault)
{
	return reason_set(why, STATUS_CORRUPT,
			  "what listens at %s does not speak as an agent: %s",
			  path, fault);
}

/* Once the header is there: how long the frame is, and whether that much and
 * no more has come.  0 in *ret_len: not yet. */
static enum status check_whole(const unsigned char *reply, size_t have,
			       size_t size, const char *path, size_t *ret_len,
			       struct reason *why)
{
	size_t len;

	*ret_len = 0;
	if (have < WIRE_HEADER_SIZE)
		return STATUS_OK;
	if (wire_frame_len(reply, true, &len) != STATUS_OK)
		return no_reply(why, path, "no header of a reply");
	if (len > size)
		return no_reply(why, path, "the reply is too long");
	if (have > len)
		return no_reply(why, path, "bytes behind the reply");
	if (have == len)
		*ret_len = len;
	return STATUS_OK;
}

static enum status receive_reply(int fd, unsigned char *reply, size_t size,
				 const struct deadline *d, const char *path,
				 size_t *ret_len, struct reason *why)
{
	size_t have = 0, len = 0;
	enum status s;

	while (len == 0) {
		ssize_t n = recv(fd, reply + have, size - have, 0);

		if (n > 0) {
			have += (size_t)n;
			s = check_whole(reply, have, size, path, &len, why);
			if (s != STATUS_OK)
				return s;
		} else if (n == 0 || errno == ECONNRESET) {
			if (have > 0)
				return no_reply(why, path,
						"the reply ends too early");
			return reason_set(why, STATUS_NOT_FOUND,
					  "the agent at %s went away without a "
					  "reply",
					  path);
		} else if (errno != EAGAIN && errno != EINTR) {
			return reason_set(why, STATUS_ERROR,
					  "cannot read from the agent at %s: "
					  "%s",
					  path, strerrordesc_np(errno));
		} else if (!wait_ready(fd, POLLIN, d)) {
			return timed_out(why, path, "answer");
		}
		/* A peer that always has one more byte ready is not waited
		 * for, but gets no longer. */
		if (len == 0 && remaining_ms(d) == 0)
			return timed_out(why, path, "answer");
	}
	*ret_len = len;
	return STATUS_OK;
}

/* ---- The call ------------------------------------------------------------ */

static enum status check_arguments(const struct wire_client_request *r,
				   size_t size, struct reason *why)
{
	const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path);
	const char *path = r->socket;
	size_t len;

	if (path[0] != '/' || path[strlen(path) - 1] == '/' ||
	    strlen(path) >= most)
		return reason_set(why, STATUS_ERROR,
				  "the agent's socket must be an absolute path "
				  "of at most %zu bytes",
				  most - 1);
	if (size < WIRE_HEADER_SIZE || r->len < WIRE_HEADER_SIZE ||
	    wire_frame_len(r->frame, false, &len) != STATUS_OK || len != r->len)
		return reason_set(why, STATUS_ERROR,
				  "the request to the agent is not a whole "
				  "frame");
	return STATUS_OK;
}

static enum status exchange_frames(int fd, const struct wire_client_request *r,
				   const struct deadline *d, void *reply,
				   size_t size, struct wire_message *ret,
				   struct reason *why)
{
	const unsigned char *header = r->frame;
	struct wire_message m;
	size_t len = 0;
	enum status s;

	s = send_all(fd, r->frame, r->len, d, r->socket, why);
	if (s == STATUS_OK)
		s = receive_reply(fd, reply, size, d, r->socket, &len, why);
	if (s != STATUS_OK)
		return s;
	if (wire_parse(reply, len, true, &m, why) != STATUS_OK)
		return reason_wrap(why, STATUS_CORRUPT,
				   "the reply of the agent at %s", r->socket);
	if (m.operation != header[3])
		return no_reply(why, r->socket,
				"the reply is to something else");
	*ret = m;
	return STATUS_OK;
}

enum status wire_client_call(const struct wire_client_request *r, void *reply,
			     size_t size, struct wire_message *ret,
			     struct reason *why)
{
	struct deadline d = deadline_in(r->timeout_ms);
	struct trust trust = { 0 };
	enum status s;
	int fd = -1;

	if (size > WIRE_REPLY_MAX)
		size = WIRE_REPLY_MAX;
	s = check_arguments(r, size, why);
	if (s == STATUS_OK)
		s = check_path(r->socket, &trust, why);
	if (s != STATUS_OK)
		goto out;
	fd = open_socket();
	if (fd < 0) {
		s = reason_set(why, STATUS_ERROR, "cannot make a socket: %s",
			       strerrordesc_np(errno));
		goto out;
	}
	s = connect_to(fd, r->socket, &d, why);
	if (s == STATUS_OK)
		s = check_peer(fd, &trust, r->socket, why);
	if (s == STATUS_OK)
		s = exchange_frames(fd, r, &d, reply, size, ret, why);
out:
	if (fd >= 0)
		close(fd);
	if (s != STATUS_OK)
		explicit_bzero(reply, size);
	return s;
}
