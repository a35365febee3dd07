/* SPDX-License-Identifier: PostgreSQL */
/*
 * The floor under a store that is a service: libcurl alone, one request again
 * and again on kept connections.  What it needs is the service's share.
 *
 * usage: floor_http COUNT THREADS METHOD URL BODY [HEADER ...]
 * Prints the seconds it took.  BODY "": none.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *method, *url, *body;
static struct curl_slist *headers;
static int count;
static atomic_int next;

static size_t drop(char *bytes, size_t size, size_t n, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * n;
}

static void *work(void *arg)
{
	CURL *c = curl_easy_init();
	long code = 0;

	(void)arg;
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
	if (body[0])
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	while (atomic_fetch_add(&next, 1) < count) {
		CURLcode done = curl_easy_perform(c);

		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
		if (done != CURLE_OK || code != 200) {
			fprintf(stderr, "floor_http: %s, HTTP %ld\n",
				curl_easy_strerror(done), code);
			exit(1);
		}
	}
	curl_easy_cleanup(c);
	return NULL;
}

int main(int argc, char **argv)
{
	struct timespec begun, ended;
	pthread_t thread[64];
	int n, i;

	if (argc < 6 || (n = (int)strtol(argv[2], NULL, 10)) < 1 || n > 64)
		return 64;
	count = (int)strtol(argv[1], NULL, 10);
	method = argv[3];
	url = argv[4];
	body = argv[5];
	curl_global_init(CURL_GLOBAL_DEFAULT);
	for (i = 6; i < argc; i++)
		headers = curl_slist_append(headers, argv[i]);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (i = 0; i < n; i++)
		if (pthread_create(&thread[i], NULL, work, NULL) != 0)
			return 1;
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%.6f\n", (double)(ended.tv_sec - begun.tv_sec) +
				 (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
	curl_slist_free_all(headers);
	return 0;
}
