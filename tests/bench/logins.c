/* SPDX-License-Identifier: PostgreSQL */
/*
 * Logs in and out again through libpq, from some threads at once, and says how long
 * that took; must never count a login that failed.
 *
 * usage: logins CONNINFO THREADS SECONDS [PAUSE_MS]
 *
 * Prints "LOGINS FAILED P50_MS P99_MS".  With PAUSE_MS each thread waits behind a
 * login, and before the first, from nothing to twice as long, as partners do who
 * come now and then, and not all at once.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MOST_THREADS 256
#define MOST_LOGINS  200000

static const char *conninfo;
static double until, pause_s;

struct worker {
	pthread_t thread;
	double *seconds;
	int n, failed;
	unsigned seed;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rest(struct worker *w)
{
	double turn = rand_r(&w->seed) / (double)RAND_MAX;

	if (pause_s > 0)
		usleep((useconds_t)(2 * turn * pause_s * 1e6));
}

static void *work(void *arg)
{
	struct worker *w = arg;

	rest(w);
	while (now() < until && w->n < MOST_LOGINS) {
		double begun = now();
		PGconn *c = PQconnectdb(conninfo);

		if (PQstatus(c) != CONNECTION_OK) {
			if (w->failed++ == 0)
				fputs(PQerrorMessage(c), stderr);
		} else {
			w->seconds[w->n++] = now() - begun;
		}
		PQfinish(c);
		rest(w);
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

int main(int argc, char **argv)
{
	static struct worker workers[MOST_THREADS];
	int threads = argc > 3 ? atoi(argv[2]) : 0, n = 0, failed = 0;
	double *all;

	if (threads < 1 || threads > MOST_THREADS)
		return 2;
	conninfo = argv[1];
	pause_s = argc > 4 ? atof(argv[4]) / 1e3 : 0;
	until = now() + atof(argv[3]);
	for (int i = 0; i < threads; i++) {
		workers[i].seed = (unsigned)i + 1;
		workers[i].seconds = calloc(MOST_LOGINS, sizeof(double));
		if (!workers[i].seconds ||
		    pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		n += workers[i].n;
		failed += workers[i].failed;
	}
	all = calloc((size_t)n + 1, sizeof(double));
	if (!all || n == 0)
		return 1;
	for (int i = 0, at = 0; i < threads; i++)
		for (int j = 0; j < workers[i].n; j++)
			all[at++] = workers[i].seconds[j];
	qsort(all, (size_t)n, sizeof(double), compare);
	printf("%d %d %.3f %.3f\n", n, failed, all[n / 2] * 1e3,
	       all[(int)((double)n * 0.99)] * 1e3);
	return 0;
}
