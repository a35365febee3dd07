/* SPDX-License-Identifier: PostgreSQL */
/* The runner's logins: probe, vouch, prove and the control; see runner_env.h. */
#ifndef KEYTURN_RUNNER_LOGIN_H
#define KEYTURN_RUNNER_LOGIN_H

#include "rotation/runner.h"

/* One login: RIGHT, WRONG, NOT_ASKED or NO_EVIDENCE. */
enum engine_event runner_login(struct runner *r, const struct secret *password,
			       enum cluster_proof kind, struct reason *why);
/*
 * A wrong password must be refused, else a login proves nothing: RIGHT; or
 * CONTROL_PASSED, NOT_ASKED, NO_EVIDENCE.  Not made when one was refused by the
 * same way less than control_interval ago.
 */
enum engine_event runner_login_control(struct runner *r, struct reason *why);
/* The sentences of logins that prove nothing, around the cluster's own.  `before`:
 * nothing was changed yet. */
void runner_login_explain(const struct runner *r, enum engine_event ev,
			  bool before, struct reason *why);
/* May a proxy still refuse CURRENT, because it remembers the password before? */
bool runner_login_proxy_may_remember(const struct runner *r);
/* After the sentence of a CURRENT that is not there to be tried. */
void runner_login_ways_out(struct reason *why);
enum engine_event runner_login_probe(struct runner *r, struct reason *why);
enum engine_event runner_login_vouch(struct runner *r, struct reason *why);
enum engine_event runner_login_prove(struct runner *r, struct reason *why);

#endif
