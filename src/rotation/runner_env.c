/* SPDX-License-Identifier: PostgreSQL */
/* What all runs of a process share; must never wait for a store while it holds
 * the lock over everything. */
#include "rotation/runner_env.h"

#include <stdlib.h>

enum status runner_env_new(const struct runner_env_options *o,
			   struct runner_env **ret_env)
{
	struct runner_env *env = calloc(1, sizeof(*env));

	if (!env)
		return STATUS_NO_MEMORY;
	env->o = *o;
	pthread_mutex_init(&env->lock, NULL);
	for (size_t i = 0; i < RUNNER_ENV_STORES; i++)
		pthread_mutex_init(&env->canary[i].lock, NULL);
	*ret_env = env;
	return STATUS_OK;
}

void runner_env_free(struct runner_env *env)
{
	if (!env)
		return;
	pthread_mutex_destroy(&env->lock);
	for (size_t i = 0; i < RUNNER_ENV_STORES; i++)
		pthread_mutex_destroy(&env->canary[i].lock);
	free(env);
}

bool runner_env_seen_lately(struct runner_env *env, const void *of)
{
	int64_t now = now_boot(env->o.now);
	bool found = false;

	pthread_mutex_lock(&env->lock);
	for (size_t i = 0; i < RUNNER_ENV_SEEN; i++)
		if (env->seen[i].of == of && env->seen[i].until > now)
			found = true;
	pthread_mutex_unlock(&env->lock);
	return found;
}

void runner_env_saw(struct runner_env *env, const void *of, int64_t life_us)
{
	int64_t until = now_boot(env->o.now) + life_us;

	pthread_mutex_lock(&env->lock);
	env->seen[env->next_seen].of = of;
	env->seen[env->next_seen].until = until;
	env->next_seen = (env->next_seen + 1) % RUNNER_ENV_SEEN;
	pthread_mutex_unlock(&env->lock);
}

struct runner_canary *runner_env_canary(struct runner_env *env,
					const void *store)
{
	size_t i = 0;

	pthread_mutex_lock(&env->lock);
	while (i < RUNNER_ENV_STORES - 1 && env->canary[i].of &&
	       env->canary[i].of != store)
		i++;
	env->canary[i].of = store;
	pthread_mutex_unlock(&env->lock);
	return &env->canary[i];
}
