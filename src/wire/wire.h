/* SPDX-License-Identifier: PostgreSQL */
/*
 * Frames and messages between agent and clients: bytes to fields and back, over
 * buffers of the caller.  No allocation, no static, no socket, no log.
 *
 * A frame is a header of 8 bytes, "KT", the version (1), the kind, and the
 * length of the body as a big-endian 32-bit number; then the body: fields, each
 * one byte of tag, a big-endian 16-bit length, and that many bytes.  The kind of
 * a request is its operation's number (wire.def), that of the reply the same
 * with WIRE_REPLY added.  One request at a time on a connection.
 *
 * There is one version and one parser: an unknown operation, tag or version is
 * refused, so is a tag given twice (but for the entries of LIST, TAKE and USES,
 * each of which begins with ROLE), a value over its limit, and any control
 * character.
 */
#ifndef KEYTURN_WIRE_H
#define KEYTURN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

#define WIRE_PROTOCOL	 1 /* the version byte */
#define WIRE_HEADER_SIZE 8
#define WIRE_REQUEST_MAX 4096  /* a whole request, header and all */
#define WIRE_REPLY_MAX	 65536 /* a whole reply */
#define WIRE_REPLY	 0x80
#define WIRE_SECRET_MAX	 512 /* of the PASSWORD in a VERIFY */

#define WIRE_AGENT_SOCKET "/run/keyturn/agent.sock"
#define WIRE_CREDS_SOCKET "/run/keyturn/creds.sock"
#define WIRE_ADMIN_SOCKET "/run/keyturn/admin.sock"

enum wire_operation {
#define WIRE_OPERATION(name, number, right, help) WIRE_##name = number,
#include "wire/wire.def"
};

enum wire_tag {
#define WIRE_FIELD(name, number, kind, most, help) WIRE_TAG_##name = number,
#include "wire/wire.def"
	WIRE_TAG_END
};

enum wire_result {
#define WIRE_RESULT(name, number, code, pam, sentence) \
	WIRE_RESULT_##name = number,
#include "wire/wire.def"
	WIRE_RESULT_END
};

/* "GET"; NULL for a number that is none. */
const char *wire_operation_name(unsigned operation);
/* A sentence for people; never NULL. */
const char *wire_result_sentence(unsigned result);
/* Exit code of keyturn-credential for a result. */
int wire_result_exit(unsigned result);

/* ---- Building ------------------------------------------------------------ */

struct wire_out {
	unsigned char *bytes; /* the caller's, `size` of them */
	size_t size;
	size_t len;
	enum status failed; /* the first failure; later calls do nothing */
};

/* Begin a frame of that kind (operation, or operation | WIRE_REPLY). */
void wire_begin(struct wire_out *o, void *bytes, size_t size, unsigned kind);
/* Append a field; a NULL or "" text is left out. */
void wire_put(struct wire_out *o, enum wire_tag tag, const void *bytes,
	      size_t n);
void wire_put_text(struct wire_out *o, enum wire_tag tag, const char *text);
void wire_put_number(struct wire_out *o, enum wire_tag tag, int64_t number);
/*
 * Write the length into the header.  STATUS_LIMIT when the buffer or the
 * frame's limit was too small, STATUS_REFUSED when a value holds what the wire
 * does not carry; the frame is wiped then.
 */
enum status wire_end(struct wire_out *o, size_t *ret_len);
/* Bytes left for fields, so that LIST can stop in time. */
size_t wire_room(const struct wire_out *o);

/* ---- Reading ------------------------------------------------------------- */

struct wire_message {
	unsigned operation; /* without WIRE_REPLY */
	bool reply;
	const unsigned char *body; /* in the caller's frame */
	size_t len;
};

/*
 * The length of the whole frame from its header, checked before anybody
 * allocates or reads on: magic, version, an operation that exists, request or
 * reply as wanted, length within the limit.  STATUS_REFUSED otherwise.
 */
enum status wire_frame_len(const unsigned char header[WIRE_HEADER_SIZE],
			   bool reply, size_t *ret_len);

/*
 * Check a whole frame, once; what this accepts, the functions below read
 * without failing.  STATUS_REFUSED and a sentence that names the fault and
 * never a value.
 */
enum status wire_parse(const void *frame, size_t len, bool reply,
		       struct wire_message *ret, struct reason *why);

/* The field's bytes (not NUL-terminated) or NULL; the first of them. */
const char *wire_find(const struct wire_message *m, enum wire_tag tag,
		      size_t *ret_len);
/* Copy a field to a C string; false when it is absent, and then "" is there.
 * A field that does not fit counts as absent. */
bool wire_text(const struct wire_message *m, enum wire_tag tag, char *ret,
	       size_t size);
/* A number, or `otherwise`. */
int64_t wire_number(const struct wire_message *m, enum wire_tag tag,
		    int64_t otherwise);
/* The entries of a LIST, TAKE or USES: call with *at == 0 first; each is a message of
 * its own.  false at the end. */
bool wire_entry(const struct wire_message *m, size_t *at,
		struct wire_message *ret_entry);

#endif
