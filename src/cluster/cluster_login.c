/* SPDX-License-Identifier: PostgreSQL */
/* What a login is worth as evidence; must never call the weaker of two the better. */
#include "cluster/cluster.h"

int cluster_login_badness(enum cluster_login login, enum cluster_proof kind)
{
	bool control = kind == CLUSTER_PROOF_WRONG;

	switch (login) {
	case CLUSTER_LOGIN_NOT_ASKED:
		return control ? 2 : 3;
	case CLUSTER_LOGIN_WRONG:
		return control ? 0 : 2;
	case CLUSTER_LOGIN_NO_EVIDENCE:
		return 1;
	default:
		return control ? 3 : 0;
	}
}
