/* SPDX-License-Identifier: PostgreSQL */
/*
 * Clients: their settings, checked once, and a pool of connections.  A handle
 * is for one request: libcurl 8.7 and later keeps its body on the handle, and
 * that it has to be rewound, which we refuse, after a transfer that failed.
 * Must never take anything from the environment.
 */
#include "http/http.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/tls.h"
#include "http/http_internal.h"

#define CONNECT_TIMEOUT_US (5 * NOW_SECOND)
#define IDLE_DEFAULT	   16
#define BASE_US		   (NOW_SECOND / 10)
#define CAP_US		   (5 * NOW_SECOND)

static CURLcode global_result;
static bool uses_openssl; /* and no other library for TLS */

/* OpenSSL is initialised by libcurl here. */
static void global_init(void)
{
	uses_openssl = curl_global_sslset(CURLSSLBACKEND_OPENSSL, NULL, NULL) ==
		       CURLSSLSET_OK;
	global_result = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc,
					     secret_wipe_free,
					     secret_wipe_realloc, strdup,
					     calloc);
}

/* ---- opening ----------------------------------------------------------- */

static enum status look_at(const char *path, bool private, struct reason *why)
{
	struct stat st;

	if (!path || !*path)
		return STATUS_OK;
	if (stat(path, &st) != 0 || access(path, R_OK) != 0)
		return reason_set(why, STATUS_CONFIG,
				  "%s cannot be read: does it exist, and may "
				  "this user read it?",
				  path);
	if (private && (st.st_mode & 077) != 0)
		return reason_set(why, STATUS_CONFIG,
				  "%s holds a private key and others may read "
				  "it: chmod 600 %s",
				  path, path);
	return STATUS_OK;
}

static enum status look_at_files(const struct http_options *o,
				 struct reason *why)
{
	enum status s = look_at(o->ca_file, false, why);

	if (s == STATUS_OK)
		s = look_at(o->ca_dir, false, why);
	if (s == STATUS_OK)
		s = look_at(o->client_cert, !o->client_key || !*o->client_key,
			    why);
	if (s == STATUS_OK)
		s = look_at(o->client_key, true, why);
	return s;
}

static bool copy_option(const char *value, char **ret)
{
	if (!value || !*value)
		return true;
	*ret = strdup(value);
	return *ret != NULL;
}

static bool keep_strings(struct http *h, const struct http_options *o)
{
	return copy_option(o->ca_file, &h->ca_file) &&
	       copy_option(o->ca_dir, &h->ca_dir) &&
	       copy_option(o->client_cert, &h->client_cert) &&
	       copy_option(o->client_key, &h->client_key) &&
	       copy_option(o->proxy, &h->proxy) &&
	       copy_option(o->user_agent ? o->user_agent : "keyturn",
			   &h->user_agent);
}

enum status http_open(const struct http_options *o, struct http **ret_http,
		      struct reason *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	enum status s = look_at_files(o, why);
	struct http *h;

	if (s != STATUS_OK)
		return s;
	pthread_once(&once, global_init);
	h = global_result == CURLE_OK ? calloc(1, sizeof(*h)) : NULL;
	if (!h)
		return reason_no_memory(why);
	pthread_mutex_init(&h->lock, NULL);
	h->now = o->now ? o->now : now_system();
	h->random = o->random;
	h->connect_timeout_us = o->connect_timeout_us > 0 ?
					o->connect_timeout_us :
					CONNECT_TIMEOUT_US;
	h->idle_max = o->idle_max == 0 ? IDLE_DEFAULT : o->idle_max;
	if (h->idle_max > HTTP_IDLE_MAX)
		h->idle_max = HTTP_IDLE_MAX;
	if (!keep_strings(h, o)) {
		http_close(h);
		return reason_no_memory(why);
	}
	*ret_http = h;
	return STATUS_OK;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	while (h->n_idle > 0)
		curl_share_cleanup(h->idle[--h->n_idle]);
	pthread_mutex_destroy(&h->lock);
	free(h->ca_file);
	free(h->ca_dir);
	free(h->client_cert);
	free(h->client_key);
	free(h->proxy);
	free(h->user_agent);
	free(h);
}

/* ---- the pool ---------------------------------------------------------- */

/* A setting that did not take must end the request: without memory for the
 * path of ca_file, libcurl would go on with the system's authorities. */
static bool set_text(CURL *c, CURLoption o, const char *value)
{
	return curl_easy_setopt(c, o, value) == CURLE_OK;
}

static bool set_number(CURL *c, CURLoption o, long value)
{
	return curl_easy_setopt(c, o, value) == CURLE_OK;
}

static CURLcode keep_no_plaintext(CURL *c, void *ssl_ctx, void *arg)
{
	(void)c;
	(void)arg;
	tls_keep_no_plaintext(ssl_ctx);
	return CURLE_OK;
}

static bool apply_tls(const struct http *h, CURL *c)
{
	bool ok = set_number(c, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) &&
		  set_number(c, CURLOPT_SSL_VERIFYPEER, 1) &&
		  set_number(c, CURLOPT_SSL_VERIFYHOST, 2);

	/* Named authorities are the only ones: both defaults go. */
	if (h->ca_file || h->ca_dir)
		ok = ok && set_text(c, CURLOPT_CAINFO, h->ca_file) &&
		     set_text(c, CURLOPT_CAPATH, h->ca_dir);
	if (h->client_cert)
		ok = ok && set_text(c, CURLOPT_SSLCERT, h->client_cert) &&
		     set_text(c, CURLOPT_SSLKEY,
			      h->client_key ? h->client_key : h->client_cert);
	if (uses_openssl)
		ok = ok && curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION,
					    keep_no_plaintext) == CURLE_OK;
	return ok;
}

static bool apply_options(const struct http *h, CURL *c)
{
	return set_number(c, CURLOPT_NOSIGNAL, 1) &&
	       set_text(c, CURLOPT_PROTOCOLS_STR, "http,https") &&
	       set_number(c, CURLOPT_FOLLOWLOCATION, 0) &&
	       /* One request at a time on a connection: what a lost one means
		* is then plain (no GOAWAY, no refused streams). */
	       set_number(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) &&
	       set_number(c, CURLOPT_PATH_AS_IS, 1) &&
	       set_number(c, CURLOPT_NETRC, CURL_NETRC_IGNORED) &&
	       /* "" and not NULL: NULL would ask http_proxy and no_proxy. */
	       set_text(c, CURLOPT_PROXY, h->proxy ? h->proxy : "") &&
	       set_text(c, CURLOPT_NOPROXY, "") &&
	       set_text(c, CURLOPT_USERAGENT, h->user_agent) &&
	       set_number(c, CURLOPT_CONNECTTIMEOUT_MS,
			  (long)(h->connect_timeout_us / 1000)) &&
	       set_number(c, CURLOPT_TCP_KEEPALIVE, 1) && apply_tls(h, c);
}

/* Without functions that lock: only one handle at a time has it. */
static CURLSH *make_connections(void)
{
	static const curl_lock_data kept[] = { CURL_LOCK_DATA_CONNECT,
					       CURL_LOCK_DATA_SSL_SESSION,
					       CURL_LOCK_DATA_DNS };
	CURLSH *share = curl_share_init();
	size_t i;

	for (i = 0; share && i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (curl_share_setopt(share, CURLSHOPT_SHARE, kept[i]) ==
		    CURLSHE_OK)
			continue;
		curl_share_cleanup(share);
		share = NULL;
	}
	return share;
}

CURL *http_take(struct http *h)
{
	CURLSH *share = NULL;
	CURL *c;

	pthread_mutex_lock(&h->lock);
	if (h->n_idle > 0)
		share = h->idle[--h->n_idle];
	pthread_mutex_unlock(&h->lock);
	if (!share)
		share = make_connections();
	c = share ? curl_easy_init() : NULL;
	if (c && curl_easy_setopt(c, CURLOPT_SHARE, share) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PRIVATE, share) == CURLE_OK &&
	    apply_options(h, c))
		return c;
	curl_easy_cleanup(c);
	curl_share_cleanup(share);
	return NULL;
}

void http_give(struct http *h, CURL *c)
{
	CURLSH *share = NULL;

	curl_easy_getinfo(c, CURLINFO_PRIVATE, (char **)&share);
	curl_easy_cleanup(c);
	pthread_mutex_lock(&h->lock);
	if (h->n_idle < h->idle_max) {
		h->idle[h->n_idle++] = share;
		share = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	curl_share_cleanup(share);
}

/* ---- waiting ----------------------------------------------------------- */

int64_t http_jitter(const struct random *r, int64_t base_us, int64_t cap_us,
		    unsigned n)
{
	int64_t most = base_us > 0 ? base_us : BASE_US;
	uint64_t drawn = 0;

	if (cap_us <= 0)
		cap_us = CAP_US;
	while (n-- > 0 && most < cap_us)
		most *= 2;
	if (most > cap_us)
		most = cap_us;
	/* No randomness, no spread: the longest wait is the polite one. */
	if (!r || random_bytes(r, &drawn, sizeof(drawn)) != STATUS_OK)
		return most;
	return (int64_t)(drawn % ((uint64_t)most + 1));
}
